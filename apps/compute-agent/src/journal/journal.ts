import type { CommandReport, HostCommand } from '@virga/contracts';
import { AppendLog } from './append-log';

/** A command as the journal knows it. */
export interface JournalEntry {
  command: HostCommand;
  /** Set once the command has ended. */
  report?: CommandReport;
  /** True once the conductor has taken the report. */
  delivered: boolean;
}

/** What happened to a command; or, for those that are forgotten, what must still be known. */
export type JournalRecord =
  | { kind: 'begin'; command: HostCommand }
  | { kind: 'end'; report: CommandReport }
  | { kind: 'delivered'; commandId: string }
  | { kind: 'generation'; instanceId: string; generation: number };

/** Ended and delivered commands that are remembered, so that a late repeat is answered and not run again. */
const REMEMBERED = 2000;

/** Where records are kept: resolves when the record is on disk. */
export interface JournalLog {
  append(record: JournalRecord): Promise<void>;
  close?(): Promise<void>;
}

/** The agent's durable memory: what it has to do is written before it is done. */
export class Journal {
  private readonly entries = new Map<string, JournalEntry>();
  private readonly generations = new Map<string, number>();

  /** @param records what the log holds already */
  constructor(private readonly log: JournalLog, records: readonly JournalRecord[] = []) {
    for (const record of records) this.apply(record);
    this.forgetOld();
  }

  /** Reads what is there, writes it anew without what is no longer needed, and opens it for more. */
  static async open(path: string): Promise<Journal> {
    let earlier: JournalRecord[] = [];
    const log = await AppendLog.open<JournalRecord>(path, (records) => new Journal({ append: async () => undefined }, (earlier = records)).snapshot());
    return new Journal(log, earlier);
  }

  find(commandId: string): JournalEntry | undefined {
    return this.entries.get(commandId);
  }

  /** The newest fencing token seen for the instance; 0 at first. */
  generation(instanceId: string): number {
    return this.generations.get(instanceId) ?? 0;
  }

  unfinished(): HostCommand[] {
    return [...this.entries.values()].filter(({ report }) => report === undefined).map(({ command }) => command);
  }

  undelivered(): CommandReport[] {
    return [...this.entries.values()].flatMap(({ report, delivered }) => (report && !delivered ? [report] : []));
  }

  begin(command: HostCommand): Promise<void> {
    return this.append({ kind: 'begin', command });
  }

  end(report: CommandReport): Promise<void> {
    return this.append({ kind: 'end', report });
  }

  delivered(commandId: string): Promise<void> {
    return this.append({ kind: 'delivered', commandId });
  }

  async close(): Promise<void> {
    await this.log.close?.();
  }

  private async append(record: JournalRecord): Promise<void> {
    await this.log.append(record);
    this.apply(record);
  }

  private apply(record: JournalRecord): void {
    if (record.kind === 'begin') {
      const { instanceId, generation, commandId } = record.command;
      this.entries.set(commandId, { command: record.command, delivered: false });
      this.raise(instanceId, generation);
    } else if (record.kind === 'end') {
      const entry = this.entries.get(record.report.commandId);
      if (entry) entry.report = record.report;
    } else if (record.kind === 'delivered') {
      const entry = this.entries.get(record.commandId);
      if (entry) entry.delivered = true;
    } else {
      this.raise(record.instanceId, record.generation);
    }
  }

  private raise(instanceId: string, generation: number): void {
    this.generations.set(instanceId, Math.max(generation, this.generation(instanceId)));
  }

  private forgetOld(): void {
    const done = [...this.entries].filter(([, entry]) => entry.delivered);
    for (const [commandId] of done.slice(0, Math.max(0, done.length - REMEMBERED))) this.entries.delete(commandId);
  }

  /** What a log must hold so that a journal that reads it knows what this one knows. */
  snapshot(): JournalRecord[] {
    const generations = [...this.generations].map(([instanceId, generation]): JournalRecord => ({ kind: 'generation', instanceId, generation }));
    const commands = [...this.entries].flatMap(([commandId, { command, report, delivered }]): JournalRecord[] => [
      { kind: 'begin', command },
      ...(report ? [{ kind: 'end', report } as const] : []),
      ...(delivered ? [{ kind: 'delivered', commandId } as const] : []),
    ]);
    return [...generations, ...commands];
  }
}
