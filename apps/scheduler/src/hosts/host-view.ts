import { sql, type Kysely } from '@virga/db';
import { minus, plus, type Candidate, type Resources } from '@virga/domain';
import type { PlacementDb } from '../db/tables';

interface SeenHost extends Candidate {
  /** End of the lease on this process's monotonic clock, ms; the database said how much was left. */
  aliveUntil: number;
}

/**
 * All hosts in memory, so that filters need no query. The picture may be a moment old and other schedulers write, too:
 * it proposes, the claim's statement decides. What this process changes shows at once.
 */
export class HostView {
  private hosts = new Map<string, SeenHost>();
  private loadedAt = -Infinity;
  private loading: Promise<void> | undefined;
  /** Pictures that were asked for to be thrown away. */
  private invalidations = 0;
  /** What hosts told of themselves while the rows were read: newer than those. */
  private toldMeanwhile = new Map<string, (host: SeenHost) => SeenHost>();

  constructor(private readonly db: Kysely<PlacementDb>, private readonly maxAgeMs: number) {}

  /** A picture that is at most `maxAgeMs` old. */
  async all(): Promise<Candidate[]> {
    if (performance.now() - this.loadedAt > this.maxAgeMs) await this.load();
    const now = performance.now();
    return [...this.hosts.values()].map((host) => ({ ...host, alive: now < host.aliveUntil }));
  }

  /** Reads the hosts; callers that come while it runs share the result. */
  load(): Promise<void> {
    this.loading ??= this.read().finally(() => { this.loading = undefined; });
    return this.loading;
  }

  /** The picture is out of date: the next look reads it again. */
  invalidate(): void {
    this.invalidations++;
    this.loadedAt = -Infinity;
  }

  /** A host told of itself: known ones are brought up to date without a query. */
  reported(host: Omit<Candidate, 'used' | 'alive'>, leaseMs: number): void {
    const known = this.hosts.get(host.hostId);
    if (!known) return this.invalidate();
    const aliveUntil = performance.now() + leaseMs;
    const told = (before: SeenHost): SeenHost => ({ ...before, ...host, aliveUntil });
    this.hosts.set(host.hostId, told(known));
    if (this.loading) this.toldMeanwhile.set(host.hostId, told);
  }

  taken(hostId: string, resources: Resources): void {
    this.change(hostId, (used) => plus(used, resources));
  }

  givenBack(hostId: string, resources: Resources): void {
    this.change(hostId, (used) => minus(used, resources));
  }

  private change(hostId: string, change: (used: Resources) => Resources): void {
    const host = this.hosts.get(hostId);
    if (host) this.hosts.set(hostId, { ...host, used: change(host.used) });
  }

  private async read(): Promise<void> {
    const before = this.invalidations;
    this.toldMeanwhile = new Map();
    const startedAt = performance.now();
    const rows = await this.db.selectFrom('hosts').selectAll()
      .select(sql<number>`TIMESTAMPDIFF(MICROSECOND, NOW(3), lease_until) DIV 1000`.as('lease_left_ms')).orderBy('hostname').orderBy('id').execute();
    this.hosts = new Map(rows.map((row) => [row.id, {
      hostId: row.id,
      hostname: row.hostname,
      availabilityZone: row.availability_zone,
      enabled: row.enabled === 1,
      alive: false,
      aliveUntil: startedAt + Number(row.lease_left_ms),
      inventory: { vcpus: row.inventory_vcpus, memoryMb: row.inventory_memory_mb, diskGb: row.inventory_disk_gb },
      capacity: { vcpus: row.capacity_vcpus, memoryMb: row.capacity_memory_mb, diskGb: row.capacity_disk_gb },
      used: { vcpus: row.used_vcpus, memoryMb: row.used_memory_mb, diskGb: row.used_disk_gb },
      traits: JSON.parse(row.traits) as string[],
    }]));
    for (const [hostId, told] of this.toldMeanwhile) {
      const host = this.hosts.get(hostId);
      if (host) this.hosts.set(hostId, told(host));
    }
    // What was claimed while the rows were under way may be missing: the claim's statement and the next picture put it right.
    this.loadedAt = before === this.invalidations ? startedAt : -Infinity;
  }
}
