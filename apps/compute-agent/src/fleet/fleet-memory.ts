import { AppendLog } from '../journal/append-log';
import { Journal, type JournalRecord } from '../journal/journal';
import { INSTANCE_RECORD_KINDS, SimulatedRecords, type InstanceRecord } from './simulated-records';

export type HostRecord = JournalRecord | InstanceRecord;
type FleetRecord = { host: string; record: HostRecord };

export interface HostMemory {
  journal: Journal;
  records: SimulatedRecords;
}

const isInstanceRecord = (record: HostRecord): record is InstanceRecord => INSTANCE_RECORD_KINDS.has(record.kind);

/** What a host knows by its records; `append` resolves when another one is on disk. */
export function hostMemory(records: readonly HostRecord[], append: (record: HostRecord) => Promise<void>): HostMemory {
  return {
    journal: new Journal({ append }, records.filter((record) => !isInstanceRecord(record)) as JournalRecord[]),
    records: new SimulatedRecords(append, records.filter(isInstanceRecord)),
  };
}

/** The durable memory of all hosts of a fleet in one file: each record is on disk before its host goes on, and hosts share syncs. */
export class FleetMemory {
  private constructor(private readonly log: AppendLog<FleetRecord>, private readonly earlier: ReadonlyMap<string, HostRecord[]>) {}

  static async open(path: string): Promise<FleetMemory> {
    const earlier = new Map<string, HostRecord[]>();
    const log = await AppendLog.open<FleetRecord>(path, (lines) => {
      for (const { host, record } of lines) {
        const own = earlier.get(host);
        if (own) own.push(record);
        else earlier.set(host, [record]);
      }
      return [...earlier].flatMap(([host, own]) => {
        const { journal, records } = hostMemory(own, async () => undefined);
        return [...journal.snapshot(), ...records.snapshot()].map((record) => ({ host, record }));
      });
    });
    return new FleetMemory(log, earlier);
  }

  /** What one host knows; asked for once a host. */
  of(hostId: string): HostMemory {
    return hostMemory(this.earlier.get(hostId) ?? [], (record) => this.log.append({ host: hostId, record }));
  }

  close(): Promise<void> {
    return this.log.close();
  }
}
