import { newUuid } from '@virga/core';
import { sql } from '@virga/db';
import { dbNow } from '../db/time';
import { ownerName } from '../operations/owner-name';
import { startLab, type Lab } from './lab';

/** Leases in this story last an hour: whatever is taken up in time is not taken up because of them. */
let lab: Lab;
beforeAll(async () => { lab = await startLab({ hosts: 1, conductor: { leaseMs: 3_600_000, sweepMs: 100, reconcileMs: 0 } }); });
afterAll(() => lab.stop());

async function running(owner: string): Promise<string> {
  const id = newUuid();
  await lab.db.insertInto('operations').values({
    id, kind: 'reap-instance', instance_id: newUuid(), request_id: `req-${id}`, actor_json: '{}', args_json: JSON.stringify({ hostId: lab.agents[0]!.hostId }), data_json: '{}', state: 'running',
    generation: 1, owner, claim_epoch: 1, lease_until: sql<Date>`NOW(3) + INTERVAL 1 HOUR`, due_at: dbNow, waiting_command: null, error_json: null, created_at: dbNow, finished_at: null,
  }).execute();
  return id;
}
const stateOf = (id: string) => lab.db.selectFrom('operations').select('state').where('id', '=', id).executeTakeFirstOrThrow().then(({ state }) => state);

it('takes up at once what a dead process of this machine, or a stumble of its own, has left; other owners keep theirs', async () => {
  const [, place, process_] = ownerName().split('-') as [string, string, string];
  const dead = await running(`conductor-${place}-${process_.split('.')[0]}.1-00000000`);
  const forgotten = await running(lab.conductors[0]!.engine.owner);
  const others = await running('conductor-00000000.1-1.1-00000000');
  for (const id of [dead, forgotten]) await lab.until(() => stateOf(id), (state) => state === 'done');
  expect(await stateOf(others)).toBe('running');
});

it('does not take a host for dead that nobody could hear', async () => {
  const deaf = { hearing: false };
  const second = await startLab({ hosts: 1, conductor: { sweepMs: 50, deadHostGraceMs: 100, heartbeatIntervalMs: 50, reconcileMs: 0 } });
  try {
    const engine = second.conductors[0]!.engine as unknown as { options: { hearsHosts: () => boolean } };
    engine.options.hearsHosts = () => deaf.hearing;
    second.agents[0]!.behaviour.build = 'silent';
    const { body } = await second.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: second.images.add(), flavorRef: await second.makeFlavor(), networks: 'none' } });
    const id = body.server.id as string;
    await second.until(async () => second.agents[0]!.executed.length, (count) => count === 1);
    await second.db.updateTable('hosts').set({ lease_until: sql<Date>`NOW(3) - INTERVAL 1 MINUTE` }).execute();
    await second.db.updateTable('commands').set({ created_at: sql<Date>`NOW(3) - INTERVAL 1 MINUTE` }).execute();
    const command = () => second.db.selectFrom('commands').select(['state', sql<number>`deadline > NOW(3)`.as('open')]).where('instance_id', '=', id).where('verb', '=', 'build').executeTakeFirstOrThrow();
    // Many searches later it is still waited for.
    for (let search = 0; search < 20; search++) await new Promise((resolve) => setTimeout(resolve, 50));
    expect(await command()).toEqual({ state: 'sent', open: 1 });
    deaf.hearing = true;
    await second.until(command, ({ state }) => state === 'expired');
  } finally {
    await second.stop();
  }
});
