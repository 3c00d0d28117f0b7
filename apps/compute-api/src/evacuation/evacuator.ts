import type { HostFacts } from '@virga/contracts';
import { newUuid, PeriodicWork, type Logger } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { takeLease } from '../db/take-lease';
import { dbNowPlus } from '../db/time';
import { beginOnInstance } from '../operations/begin-on-instance';
import { LIVE_STATES } from '../operations/operation';
import type { InstanceRow } from '../operations/workflow';
import { SWITCHING_OFF_SECONDS } from './host-is-off';
import { planEvacuation } from './plan-evacuation';

export interface EvacuatorOptions {
  db: Kysely<ComputeDb>;
  logger: Logger;
  /** A host that has been silent for so long since it should have reported is dead, s. */
  afterSeconds: number;
  /** Whether a dead host's power can be cut. Else only those are looked at that switch their guests off by themselves. */
  canFence: boolean;
  wakeRelay(): void;
  /** Between two looks, ms. */
  everyMs?: number;
  /** Before an instance that could not be evacuated is tried again, s. */
  againSeconds?: number;
}

const EVERY_MS = 5000;
const LEASE = 'evacuations';
/** Evacuations that nobody has asked for and that run at the same time. */
const AT_ONCE = 4;
/** For each instance and death of its host. */
const TRIES = 5;
const AGAIN_SECONDS = 60;

interface DeadHost { id: string; hostname: string; silent: number }

/**
 * Brings instances of dead hosts up elsewhere without being asked. Each is the evacuation that an administrator would begin: the host is
 * fenced first. When more than half of the hosts are silent it is more likely that this side cannot hear them, and nothing is done.
 */
export class Evacuator extends PeriodicWork {
  private readonly owner = newUuid();
  private told = '';

  constructor(private readonly options: EvacuatorOptions) {
    const { logger, everyMs = EVERY_MS } = options;
    super({ everyMs, waitFirst: true, failed: 'dead hosts could not be looked for; trying again' }, logger);
  }

  protected async work(): Promise<void> {
    const { db, wakeRelay } = this.options;
    if (!(await takeLease(db, LEASE, this.owner, EVERY_MS * 5))) return;
    const dead = await this.deadHosts();
    const free = AT_ONCE - await this.atWork();
    let room = free;
    for (const host of dead) {
      for (const row of room > 0 ? await this.due(host, room) : []) {
        if (!(await this.begin(row))) continue;
        room--;
        this.logger.warn({ instanceId: row.id, hostname: host.hostname, silentSeconds: host.silent }, 'host is dead; its instance is evacuated');
      }
    }
    if (room < free) wakeRelay();
  }

  private async deadHosts(): Promise<DeadHost[]> {
    const { db, afterSeconds, canFence } = this.options;
    const hosts = await db.selectFrom('hosts').select(['id', 'hostname', 'facts_json', sql<number>`TIMESTAMPDIFF(SECOND, lease_until, NOW(3))`.as('silent')]).execute();
    const silent = hosts.filter((host) => host.silent > afterSeconds);
    if (silent.length * 2 > hosts.length) {
      this.tellOnce(`${silent.length} of ${hosts.length} hosts are silent: none is taken for dead`);
      return [];
    }
    const off = silent.filter(({ facts_json: facts, silent: seconds }) => {
      const { selfFenceSeconds } = JSON.parse(facts) as HostFacts;
      return canFence || (selfFenceSeconds !== undefined && seconds > selfFenceSeconds + SWITCHING_OFF_SECONDS);
    });
    this.tellOnce(off.length < silent.length ? 'silent hosts cannot be fenced and do not fence themselves: their instances are not evacuated' : '');
    return off;
  }

  private async atWork(): Promise<number> {
    const { count } = await this.options.db.selectFrom('operations').select(({ fn }) => fn.countAll<number>().as('count')).where('kind', '=', 'evacuate-instance').where('state', 'in', [...LIVE_STATES]).executeTakeFirstOrThrow();
    return Number(count);
  }

  /** Instances that ran there, or were off, and have not been tried too often or too lately since the host fell silent. */
  private async due({ id }: DeadHost, room: number): Promise<InstanceRow[]> {
    const { db, againSeconds = AGAIN_SECONDS } = this.options;
    const tries = db.selectFrom('migrations as m').innerJoin('hosts as h', 'h.id', 'm.source_host_id').where(sql<boolean>`m.instance_id = i.id`).where('m.migration_type', '=', 'evacuation').where('m.source_host_id', '=', id);
    return db.selectFrom('instances as i').selectAll('i').where('i.host_id', '=', id).where('i.deleted_at', 'is', null).where('i.task_state', 'is', null).where('i.vm_state', 'in', ['active', 'stopped'])
      .where(({ not, exists }) => not(exists(tries.select('m.id').where('m.created_at', '>', dbNowPlus(-againSeconds * 1000)))))
      .where(tries.whereRef('m.created_at', '>', 'h.lease_until').select(({ fn }) => fn.countAll<number>().as('n')), '<', TRIES)
      .orderBy('i.id').limit(room).execute();
  }

  private async begin(row: InstanceRow): Promise<boolean> {
    const actor = { requestId: `req-${newUuid()}`, userId: 'conductor', projectId: row.project_id, roles: [] };
    const { taskState, name: action } = SERVER_ACTIONS.evacuate;
    return await beginOnInstance(this.options.db, { row, actor, taskState: taskState!, action }, planEvacuation(row, actor, { stopped: row.vm_state === 'stopped' })) !== undefined;
  }

  /** The same sentence is said once, not every time that somebody looks. */
  private tellOnce(sentence: string): void {
    if (sentence !== this.told && sentence !== '') this.logger.warn(sentence);
    this.told = sentence;
  }
}
