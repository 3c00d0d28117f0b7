import type { BuildSpec } from '@virga/contracts';
import { notFound } from '@virga/core';
import type { AsideNote, DesiredPower, InstanceRecords } from '../instances/instance-host';

/** What a simulated host writes down of its instances, beside its journal. */
export type InstanceRecord =
  | { kind: 'instance'; spec: BuildSpec; power: DesiredPower }
  | { kind: 'power'; instanceId: string; power: DesiredPower }
  | { kind: 'gone'; instanceId: string }
  /** It comes by a live migration: what of it is here is known before its machine is. */
  | { kind: 'received'; spec: BuildSpec }
  /** A live migration away from here was begun; its machine has left. */
  | { kind: 'moving'; instanceId: string; migrationId: string }
  | { kind: 'left'; instanceId: string }
  | { kind: 'aside'; spec: BuildSpec; note: AsideNote }
  | { kind: 'aside-gone'; instanceId: string };
export const INSTANCE_RECORD_KINDS: ReadonlySet<string> = new Set(['instance', 'power', 'gone', 'received', 'moving', 'left', 'aside', 'aside-gone']);

interface Known {
  spec: BuildSpec;
  power?: DesiredPower | undefined;
  received?: true;
  migrationId?: string;
}

/**
 * Instances of a simulated host. An instance is written when it is switched on the first time: until then the journal
 * has its build, which is run again after a crash.
 */
export class SimulatedRecords implements InstanceRecords {
  private readonly known = new Map<string, Known>();
  private readonly kept = new Map<string, { spec: BuildSpec; note: AsideNote }>();

  /** @param append resolves when the record is on disk
      @param records what was written earlier */
  constructor(private readonly append: (record: InstanceRecord) => Promise<void>, records: readonly InstanceRecord[] = []) {
    for (const record of records) this.apply(record);
  }

  async create(spec: BuildSpec): Promise<void> {
    const power = this.known.get(spec.instanceId)?.power;
    if (power !== undefined) await this.append({ kind: 'instance', spec, power });
    this.known.set(spec.instanceId, { spec, ...(power && { power }) });
  }

  async spec(instanceId: string): Promise<BuildSpec> {
    return this.find(instanceId).spec;
  }

  async desired(instanceId: string): Promise<DesiredPower | undefined> {
    return this.known.get(instanceId)?.power;
  }

  async setDesired(instanceId: string, power: DesiredPower): Promise<void> {
    const known = this.find(instanceId);
    await this.append(known.power === undefined ? { kind: 'instance', spec: known.spec, power } : { kind: 'power', instanceId, power });
    known.power = power;
  }

  async list(): Promise<string[]> {
    return [...this.known.keys()];
  }

  async receive(spec: BuildSpec): Promise<void> {
    await this.write({ kind: 'received', spec });
  }

  /** Which live migration of the instance was begun here last. */
  async migrationBegun(instanceId: string): Promise<string | undefined> {
    return this.known.get(instanceId)?.migrationId;
  }

  noteMigration(instanceId: string, migrationId: string): Promise<void> {
    return this.write({ kind: 'moving', instanceId, migrationId });
  }

  left(instanceId: string): Promise<void> {
    return this.write({ kind: 'left', instanceId });
  }

  private async write(record: InstanceRecord): Promise<void> {
    await this.append(record);
    this.apply(record);
  }

  /** Simulated hosts have no disks. */
  async adopt(): Promise<void> {}

  async remove(instanceId: string): Promise<void> {
    const known = this.known.get(instanceId);
    if (known && (known.power !== undefined || known.received || known.migrationId !== undefined)) await this.append({ kind: 'gone', instanceId });
    this.known.delete(instanceId);
  }

  async listAside(): Promise<string[]> {
    return [...this.kept.keys()];
  }

  async aside(instanceId: string): Promise<AsideNote | undefined> {
    return this.kept.get(instanceId)?.note;
  }

  async putAside(instanceId: string, note: AsideNote): Promise<void> {
    const record = { kind: 'aside', spec: this.find(instanceId).spec, note } as const;
    await this.append(record);
    this.apply(record);
  }

  async bringBack(instanceId: string): Promise<void> {
    const kept = this.kept.get(instanceId);
    if (!kept) throw notFound(`Nothing of instance ${instanceId} was put aside.`);
    // Written as it is wanted from now on, before it is no longer aside.
    await this.append({ kind: 'instance', spec: kept.spec, power: 'stopped' });
    this.known.set(instanceId, { spec: kept.spec, power: 'stopped' });
    await this.discardAside(instanceId);
  }

  async discardAside(instanceId: string): Promise<void> {
    if (!this.kept.has(instanceId)) return;
    await this.append({ kind: 'aside-gone', instanceId });
    this.kept.delete(instanceId);
  }

  /** What must be written so that whoever reads it knows the same. */
  snapshot(): InstanceRecord[] {
    return [
      ...[...this.known.values()].flatMap(({ spec, power, received, migrationId }): InstanceRecord[] => {
        if (power === undefined && !received && migrationId === undefined) return [];
        return [
          power === undefined ? { kind: 'received', spec } : { kind: 'instance', spec, power },
          ...(migrationId === undefined ? [] : [{ kind: 'moving', instanceId: spec.instanceId, migrationId } as const]),
        ];
      }),
      ...[...this.kept.values()].map(({ spec, note }): InstanceRecord => ({ kind: 'aside', spec, note })),
    ];
  }

  private find(instanceId: string): Known {
    const known = this.known.get(instanceId);
    if (!known) throw notFound(`Instance ${instanceId} could not be found.`);
    return known;
  }

  private apply(record: InstanceRecord): void {
    if (record.kind === 'instance') this.known.set(record.spec.instanceId, { spec: record.spec, power: record.power });
    else if (record.kind === 'received') this.known.set(record.spec.instanceId, { spec: record.spec, received: true });
    else if (record.kind === 'moving') Object.assign(this.known.get(record.instanceId) ?? {}, { migrationId: record.migrationId });
    else if (record.kind === 'left') Object.assign(this.known.get(record.instanceId) ?? {}, { power: undefined });
    else if (record.kind === 'gone') this.known.delete(record.instanceId);
    else if (record.kind === 'aside-gone') this.kept.delete(record.instanceId);
    else if (record.kind === 'aside') {
      this.known.delete(record.spec.instanceId);
      this.kept.set(record.spec.instanceId, { spec: record.spec, note: record.note });
    }
    else Object.assign(this.known.get(record.instanceId) ?? {}, { power: record.power });
  }
}
