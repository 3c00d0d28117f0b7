import { sql } from '@virga/db';
import { INVARIANTS } from '../../apps/compute-api/src/verify/invariants';
import { repairOne, runPass } from '../../apps/compute-api/src/verify/run-pass';
import { liveOperations, pause, type Stage } from './schedule';

/** After the storm: seconds of waiting and leaps in time after which what still lives is stuck. */
const ROUNDS = 60;
const ROUND_MS = 4000;
/** What is due later than this is waited for by a leap, ms. */
const SOON_MS = 15_000;
const RESTING = ['active', 'stopped', 'paused', 'suspended', 'resized', 'error'];

/** Waits until all operations have ended, hosts are at rest (they may be at work on what is not waited for any more) and have what they should; tells what does not. */
export async function settle(stage: Stage): Promise<string[]> {
  const { world } = stage;
  let live = await liveOperations(world);
  let leaps = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const busy = stage.hosts.some((host) => host.busy);
    if (live.length === 0 && !busy && await domainsMatch(stage)) return [];
    const due = Math.min(...live.map(({ due_at: at, state, waiting_command: command }) => (state === 'parked' && command !== null ? at.getTime() : 0)));
    if (live.length > 0 && !busy && due > world.time.now + SOON_MS && leaps++ < 20) await leap(stage, due - world.time.now);
    await pause(ROUND_MS);
    live = await liveOperations(world);
  }
  if (live.length === 0 && stage.hosts.some((host) => host.busy)) return ['a host does not end what it is at work on'];
  if (live.length === 0) return [`hosts run other instances than the books say: ${JSON.stringify(await differences(stage))}`];
  return live.map(({ kind, state, phase, step }) => `an operation does not end: ${kind} is ${state} at ${phase} ${step}`);
}

/** What is waited for in vain is over at once; hosts have gone on reporting meanwhile. */
async function leap({ world }: Stage, ms: number): Promise<void> {
  const later = sql<Date>`lease_until + INTERVAL ${Math.round(ms) * 1000} MICROSECOND`;
  await world.db.updateTable('hosts').set({ lease_until: later }).execute();
  await world.db.updateTable('operations').set({ lease_until: later }).where('state', '=', 'running').execute();
  world.time.now += ms;
}

/** What of the books is not on its host, and what is on a host and not in the books; of what has gone wrong the host may have nothing any more. */
async function differences({ world, hosts }: Stage): Promise<{ missing: string[]; superfluous: string[] }> {
  const rows = await world.db.selectFrom('instances').select(['id', 'host_id', 'vm_state']).where('deleted_at', 'is', null).where('host_id', 'is not', null).orderBy('id').execute();
  const found = (await Promise.all(hosts.map(async (host) => (await host.driver.list()).map(({ instanceId }) => `${instanceId} ${host.id}`)))).flat();
  const booked = rows.map(({ id, host_id: host, vm_state: state }) => ({ place: `${id} ${host}`, state }));
  return {
    missing: booked.filter(({ place, state }) => state !== 'error' && !found.includes(place)).map(({ place }) => place),
    superfluous: found.filter((place) => !booked.some((one) => one.place === place)).sort(),
  };
}

async function domainsMatch(stage: Stage): Promise<boolean> {
  const { missing, superfluous } = await differences(stage);
  return missing.length + superfluous.length === 0;
}

/** A port without a network service below it never becomes active. */
const CHECKED = INVARIANTS.filter(({ name }) => name !== 'port-is-active');

/** What a host has begun without anybody's waiting for it any more is left to the reconciler; all else must be right without it. */
const RECONCILED = 'holding-belongs';

/** Compares the quiet cloud with itself, by the product's own invariants and by what the simulation knows beside them. */
export async function judge(stage: Stage): Promise<string[]> {
  const { world } = stage;
  const all = new Set(['database', 'services', 'hosts'] as const);
  const context = { db: world.db, bus: world.broker.connect('conductor') };
  let pass = await runPass(context, CHECKED, all);
  for (let again = 0; again < 5 && (pass.found.size > 0 || pass.unchecked.length > 0); again++) {
    for (const found of pass.found.values()) {
      if (found.invariant.name !== RECONCILED || (await repairOne(found, { ...context, logger: world.logger, wake: () => undefined, wakeRelay: () => undefined })).done === undefined) continue;
      stage.repaired++;
    }
    await pause(ROUND_MS);
    pass = await runPass(context, CHECKED, all);
  }
  const wrong = [...pass.found.values()].map(({ invariant, violation }) => `${invariant.name}: ${violation.sentence}`);
  wrong.push(...pass.unchecked.map(({ invariant, reason }) => `${invariant} could not be looked at: ${reason}`));
  const rows = await world.db.selectFrom('instances').selectAll().where('deleted_at', 'is', null).execute();
  for (const { id, task_state: task, vm_state: vm, host_id: host } of rows) {
    if (task !== null) wrong.push(`server ${id} is stuck in ${vm}/${task}`);
    if (vm === 'error' && host === null && world.network.portsOf(id).length > 0) wrong.push(`server ${id} was never built and keeps its ports`);
    if (!RESTING.includes(vm)) wrong.push(`server ${id} has ended as ${vm}`);
  }
  const { booked, counted } = await world.usage();
  if (JSON.stringify(booked) !== JSON.stringify(counted)) wrong.push(`usage is booked as ${JSON.stringify(booked)} and is ${JSON.stringify(counted)}`);
  return [...wrong, ...await untoldCommands(stage), ...await switchedOff(stage)];
}

/** No host begins a command out of order, or again. */
export const begunInOrder = (stage: Stage): string[] => [...orderOfCommands(stage), ...repeatedCommands(stage)];

/** No host begins a command when it has begun one of a newer generation before. */
function orderOfCommands({ hosts }: Stage): string[] {
  return hosts.flatMap((host) => {
    const newest = new Map<string, number>();
    return host.begun.flatMap(({ instanceId, generation, verb }) => {
      const before = newest.get(instanceId) ?? 0;
      newest.set(instanceId, Math.max(before, generation));
      return generation < before ? [`a host has begun ${verb} of generation ${generation} after one of generation ${before}`] : [];
    });
  });
}

/** No host begins a command twice. */
const repeatedCommands = ({ hosts }: Stage): string[] => hosts.flatMap(({ begun }) =>
  begun.filter((command, index) => begun.findIndex(({ commandId }) => commandId === command.commandId) < index).map(({ verb }) => `a host has begun the same ${verb} twice`));

/** What a host has taken from the broker it tells the end of. */
async function untoldCommands({ world, hosts }: Stage): Promise<string[]> {
  const waited = await world.db.selectFrom('commands').select(['id', 'verb', 'host_id']).where('state', 'in', ['sent', 'expired']).execute();
  return hosts.flatMap((host) => waited.filter(({ id, host_id: at }) => at === host.id && host.taken.has(id) && !host.told.has(id)).map(({ verb }) => `a host has taken the command ${verb} and never told how it ended`));
}

/** A guest is off only when somebody wanted it, or its host could not start it. */
async function switchedOff({ world, counts }: Stage): Promise<string[]> {
  if (counts.hostRefuses !== undefined) return [];
  const off = await world.db.selectFrom('instances').select('id').where('deleted_at', 'is', null).where('vm_state', '=', 'stopped').execute();
  const stopped = await world.db.selectFrom('instance_actions').select('instance_id').where('action', 'in', ['stop', 'reboot', 'rebuild']).execute();
  return off.filter(({ id }) => !stopped.some(({ instance_id: of }) => of === id)).map(({ id }) => `server ${id} is off and nobody has stopped it`);
}

/** Everything can be deleted, and then nothing is left. */
export async function tidyUp(stage: Stage): Promise<string[]> {
  const { world } = stage;
  const rows = await world.db.selectFrom('instances').select('id').where('deleted_at', 'is', null).orderBy('id').execute();
  const answers = await Promise.all(rows.map(({ id }) => stage.call('DELETE', `/v2.1/servers/${id}`)));
  const wrong = answers.filter(({ status }) => status !== 204).map(({ status, body }) => `a server could not be deleted: ${status} ${JSON.stringify(body)}`);
  wrong.push(...await settle(stage));
  if (world.network.ports.size > 0) wrong.push(`${world.network.ports.size} ports are left`);
  if (world.placement.claims.size > 0) wrong.push(`${world.placement.claims.size} claims are left`);
  const { booked } = await world.usage();
  if ((booked as { instances: number }).instances !== 0) wrong.push('quota is left');
  return wrong;
}
