import { sql } from '@virga/db';
import { pruneBatch } from '../operations/prune';
import { startLab, type Lab } from './lab';

let lab: Lab;
let flavor: string;
let image: string;
beforeAll(async () => {
  lab = await startLab({ hosts: 1 });
  flavor = await lab.makeFlavor();
  image = lab.images.add();
});
afterAll(() => lab.stop());

const KEEP = { operationDays: 30, deletedDays: 90 };
const create = async (): Promise<string> => {
  const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: 'none', metadata: { a: 'b' } } });
  await lab.active(body.server.id as string);
  return body.server.id as string;
};
const remove = async (id: string): Promise<void> => { await lab.call('DELETE', `/v2.1/servers/${id}`); await lab.gone(id); };
const age = async (id: string, days: number): Promise<void> => {
  const back = sql.lit(days);
  await lab.db.updateTable('operations').set({ finished_at: sql<Date>`finished_at - INTERVAL ${back} DAY` }).where('instance_id', '=', id).execute();
  await lab.db.updateTable('instances').set({ deleted_at: sql<Date>`deleted_at - INTERVAL ${back} DAY` }).where('id', '=', id).execute();
};
const rowsOf = async (id: string): Promise<Record<string, number>> => {
  const counts: Record<string, number> = {};
  for (const table of ['operations', 'commands', 'instance_actions', 'instance_metadata'] as const) counts[table] = (await lab.db.selectFrom(table).select('instance_id').where('instance_id', '=', id).execute()).length;
  counts.instances = (await lab.db.selectFrom('instances').select('id').where('id', '=', id).execute()).length;
  return counts;
};

it('takes away what a deleted server has left, once it is old, in bounded batches; younger ones and living ones stay', async () => {
  const [living, young, ...old] = [await create(), await create(), await create(), await create(), await create()];
  for (const id of [young!, ...old]) await remove(id);
  await age(young!, 20);
  for (const id of old) await age(id, 100);
  const before = { living: await rowsOf(living!), young: await rowsOf(young!) };
  expect(await pruneBatch(lab.db, { ...KEEP, operationDays: 1000, batch: 2 })).toEqual({ operations: 0, instances: 2 });
  expect(await pruneBatch(lab.db, { ...KEEP, operationDays: 1000, batch: 2 })).toEqual({ operations: 0, instances: 1 });
  expect(await pruneBatch(lab.db, KEEP)).toEqual({ operations: 0, instances: 0 });
  for (const id of old) expect(await rowsOf(id)).toEqual({ operations: 0, commands: 0, instance_actions: 0, instance_metadata: 0, instances: 0 });
  expect({ living: await rowsOf(living!), young: await rowsOf(young!) }).toEqual(before);
  const loose = await sql<{ n: number }>`SELECT COUNT(*) AS n FROM operation_steps s LEFT JOIN operations o ON o.id = s.operation_id WHERE o.id IS NULL`.execute(lab.db);
  expect(loose.rows[0]!.n).toBe(0);
  await remove(living!);
});

it('takes away the old operations of a living server; its actions, and where it has been built, stay', async () => {
  const id = await create();
  await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-stop': null });
  await lab.serverUntil(id, ({ status }) => status === 'SHUTOFF');
  await age(id, 31);
  // One that has not ended is not old, whenever it began.
  lab.agents[0]!.behaviour.start = 'silent';
  await lab.call('POST', `/v2.1/servers/${id}/action`, { 'os-start': null });
  await lab.until(async () => lab.agents[0]!.executed.at(-1), (command) => command?.verb === 'start');
  expect(await pruneBatch(lab.db, KEEP)).toEqual({ operations: 2, instances: 0 });
  const { body } = await lab.call('GET', `/v2.1/servers/${id}/os-instance-actions`);
  expect(body.instanceActions.map(({ action }: { action: string }) => action)).toEqual(['start', 'stop', 'create']);
  expect((await lab.db.selectFrom('commands').select('verb').where('instance_id', '=', id).execute()).map(({ verb }) => verb).sort()).toEqual(['build', 'start']);
  delete lab.agents[0]!.behaviour.start;
  await lab.agents[0]!.report(lab.agents[0]!.executed.at(-1)!);
  await lab.serverUntil(id, ({ status }) => status === 'ACTIVE');
  // It can still be deleted wholly.
  await remove(id);
  expect(lab.agents[0]!.domains.has(id)).toBe(false);
});
