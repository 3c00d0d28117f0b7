import { hostAgentContract, networkAuditContract, placementContract, type ComputePort, type HostInventory, type NetworkAudit, type Resources } from '@virga/contracts';
import { errorMessage } from '@virga/core';
import { sql, type Kysely, type Selectable } from '@virga/db';
import type { Bus } from '@virga/rpc';
import type { ComputeDb, InstancesTable } from '../db/schema';
import { LIVE_STATES } from '../operations/operation';
import { resourcesOf } from '../workflows/resources';
import type { ServerFlavor } from '../servers/server-row';
import type { ImageFacts } from '@virga/contracts';

export interface LivingInstance {
  id: string;
  name: string;
  projectId: string;
  hostId: string | null;
  host: string | null;
  vmState: string;
  taskState: string | null;
  powerState: number;
  generation: number;
  resources: Resources;
}

export interface HostLook {
  id: string;
  hostname: string;
  alive: boolean;
  simulated: boolean;
  inventory: HostInventory | undefined;
}

const HOSTS_AT_ONCE = 16;
const livingColumns = ['id', 'display_name', 'project_id', 'host_id', 'host', 'vm_state', 'task_state', 'power_state', 'generation', 'flavor_json', 'image_json'] as const;
type LivingRow = Pick<Selectable<InstancesTable>, (typeof livingColumns)[number]>;

const toLiving = (row: LivingRow): LivingInstance => ({
  id: row.id, name: row.display_name, projectId: row.project_id, hostId: row.host_id, host: row.host, vmState: row.vm_state, taskState: row.task_state,
  powerState: row.power_state, generation: row.generation,
  resources: resourcesOf(JSON.parse(row.flavor_json) as ServerFlavor, JSON.parse(row.image_json) as ImageFacts),
});

/**
 * The cloud as one pass sees it. Every source is read once, when the first invariant asks for it; the books of instances
 * after everything that is compared with them, so that what was given back meanwhile is not taken for lost.
 */
export class CloudView {
  private readonly memory = new Map<string, Promise<unknown>>();

  constructor(readonly db: Kysely<ComputeDb>, private readonly bus: Bus) {}

  allocations(): Promise<{ consumerId: string; hostId: string; resources: Resources }[]> {
    return this.once('allocations', async () => (await this.bus.client(placementContract).allocations({})).allocations);
  }

  placementHosts(): Promise<{ hostId: string; hostname: string; used: Resources }[]> {
    return this.once('placement hosts', async () => (await this.bus.client(placementContract).hosts({})).hosts);
  }

  ports(): Promise<ComputePort[]> {
    return this.once('ports', async () => (await this.bus.client(networkAuditContract).computePorts({})).ports);
  }

  network(): Promise<NetworkAudit> {
    return this.once('network', () => this.bus.client(networkAuditContract).audit({}));
  }

  /** Every host that has ever reported; without inventory when it is not alive. Throws when a living host does not answer. */
  hosts(): Promise<HostLook[]> {
    return this.once('hosts', async () => {
      const rows = await this.db.selectFrom('hosts').select(['id', 'hostname', sql<number>`lease_until > NOW(3)`.as('alive'), sql<string>`JSON_VALUE(facts_json, '$.simulated')`.as('simulated')]).orderBy('num').execute();
      const looks: HostLook[] = [];
      const silent: string[] = [];
      const waiting = [...rows];
      await Promise.all(Array.from({ length: HOSTS_AT_ONCE }, async () => {
        for (let row = waiting.shift(); row; row = waiting.shift()) {
          const { id, hostname } = row;
          const alive = Boolean(row.alive);
          const inventory = alive ? await this.bus.client(hostAgentContract, { hostId: id }).inventory({}).catch((error: unknown) => { silent.push(`${hostname}: ${errorMessage(error)}`); return undefined; }) : undefined;
          looks.push({ id, hostname, alive, simulated: row.simulated === '1' || row.simulated === 'true', inventory });
        }
      }));
      if (silent.length > 0) throw new Error(`no inventory from ${silent.slice(0, 5).join('; ')}${silent.length > 5 ? ` and ${silent.length - 5} more` : ''}`);
      return looks;
    });
  }

  /** All instances that are not deleted, by id. */
  instances(): Promise<Map<string, LivingInstance>> {
    return this.once('instances', async () => {
      const rows = await this.db.selectFrom('instances').select(livingColumns).where('deleted_at', 'is', null).execute();
      return new Map(rows.map((row) => [row.id, toLiving(row)]));
    });
  }

  /** Ids of migrations that are at work or wait for their user's word: each may hold room on a host. */
  migrating(): Promise<Set<string>> {
    return this.once('migrating', async () => new Set((await holdingMigrations(this.db).select('m.uuid').execute()).map(({ uuid }) => uuid)));
  }

  /** Instances on which an operation is at work: whatever differs of them is in somebody's hands. */
  busy(): Promise<Set<string>> {
    return this.once('busy', async () => {
      const rows = await this.db.selectFrom('operations').select('instance_id').distinct().where('state', 'in', [...LIVE_STATES]).execute();
      return new Set(rows.map(({ instance_id: id }) => id));
    });
  }

  /** Instances that are in the books, deleted ones included, out of `ids`. */
  async known(ids: string[]): Promise<Set<string>> {
    if (ids.length === 0) return new Set();
    const rows = await this.db.selectFrom('instances').select('id').where('id', 'in', ids).execute();
    return new Set(rows.map(({ id }) => id));
  }

  /** Living instances that nobody works on. */
  async settled(): Promise<LivingInstance[]> {
    const [instances, busy] = await Promise.all([this.instances(), this.busy()]);
    return [...instances.values()].filter(({ id, taskState }) => taskState === null && !busy.has(id));
  }

  private once<T>(name: string, read: () => Promise<T>): Promise<T> {
    let known = this.memory.get(name) as Promise<T> | undefined;
    if (!known) this.memory.set(name, (known = read()));
    return known;
  }
}

/** True while an operation is at work on the instance, as it is now. */
export async function isBusy(db: Kysely<ComputeDb>, instanceId: string): Promise<boolean> {
  return (await db.selectFrom('operations').select('id').where('instance_id', '=', instanceId).where('state', 'in', [...LIVE_STATES]).executeTakeFirst()) !== undefined;
}

/** Migrations whose operation is at work, and those of resized instances that are neither confirmed nor reverted. */
const holdingMigrations = (db: Kysely<ComputeDb>) => db.selectFrom('migrations as m').leftJoin('operations as o', 'o.id', 'm.operation_id').leftJoin('instances as i', 'i.id', 'm.instance_id')
  .where((eb) => eb.or([eb('o.state', 'in', [...LIVE_STATES]), eb.and([eb('m.status', '=', 'finished'), eb('i.vm_state', '=', 'resized'), eb('i.deleted_at', 'is', null)])]));

/** True while the migration with that id is at work or waits for its user's word, as it is now. */
export async function isMigrating(db: Kysely<ComputeDb>, uuid: string): Promise<boolean> {
  return (await holdingMigrations(db).select('m.id').where('m.uuid', '=', uuid).executeTakeFirst()) !== undefined;
}

/** The instance as it is now, if it is not deleted. */
export async function livingInstance(db: Kysely<ComputeDb>, instanceId: string): Promise<LivingInstance | undefined> {
  const row = await db.selectFrom('instances').select(livingColumns).where('id', '=', instanceId).where('deleted_at', 'is', null).executeTakeFirst();
  return row && toLiving(row);
}
