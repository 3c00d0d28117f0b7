import { newHexId } from '@virga/core';
import { createMigration, updateMigration } from '../migrations/migration.repository';
import { startLab, type Lab } from './lab';

describe('migrations over HTTP', () => {
  let lab: Lab;
  let server: string;
  let other: string;
  const userId = newHexId();
  const projectId = newHexId();
  const ids: Record<'resize' | 'live' | 'cold', { id: number; uuid: string }> = {} as never;
  const host = (name: string) => ({ hostId: `${name}-id`, hostname: name });

  beforeAll(async () => {
    lab = await startLab();
    const flavor = await lab.makeFlavor();
    const image = lab.images.add();
    const boot = async () => {
      const { id } = (await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: image, flavorRef: flavor, networks: 'none' } })).body.server;
      await lab.active(id);
      return id as string;
    };
    [server, other] = [await boot(), await boot()];
    const actor = { requestId: 'req-1', userId, projectId, roles: ['admin'] };
    const source = host('host1');
    ids.cold = await createMigration(lab.db, { type: 'migration', status: 'error', instanceId: other, actor, source, oldFlavor: flavor });
    ids.resize = await createMigration(lab.db, { type: 'resize', status: 'finished', instanceId: server, actor: { ...actor, userId: newHexId(), projectId: null }, source, dest: { ...host('host2'), address: '10.0.0.2' }, oldFlavor: flavor, newFlavor: 'gone' });
    ids.live = await createMigration(lab.db, { type: 'live-migration', status: 'running', instanceId: server, actor, source, dest: host('host3'), oldFlavor: flavor });
    await updateMigration(lab.db, ids.live.id, { memory_total: 4096, memory_processed: 1024, memory_remaining: 3072, disk_total: 0, disk_processed: 0, disk_remaining: 0 });
  });
  afterAll(() => lab.stop());

  const list = async (query = '', version = '2.93') => (await lab.asAdmin('GET', `/v2.1/os-migrations${query}`, undefined, { version })).body.migrations as any[];
  const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/);

  it('are shown whole to administrators, newest first', async () => {
    expect(await list()).toEqual([
      {
        id: ids.live.id, uuid: ids.live.uuid, source_compute: 'host1', dest_compute: 'host3', source_node: 'host1', dest_node: 'host3', dest_host: null, status: 'running', user_id: userId,
        project_id: projectId, created_at: TIME, updated_at: TIME, old_instance_type_id: expect.any(Number), new_instance_type_id: expect.any(Number), instance_uuid: server, migration_type: 'live-migration',
        links: [{ rel: 'self', href: `${lab.base}/v2.1/servers/${server}/migrations/${ids.live.id}` }, { rel: 'bookmark', href: `${lab.base}/servers/${server}/migrations/${ids.live.id}` }],
      },
      expect.objectContaining({ id: ids.resize.id, dest_host: '10.0.0.2', status: 'finished', project_id: null, new_instance_type_id: null, updated_at: null, migration_type: 'resize' }),
      expect.objectContaining({ id: ids.cold.id, dest_compute: null, dest_node: null, instance_uuid: other, migration_type: 'migration' }),
    ]);
    expect((await list())[1]).not.toHaveProperty('links');
  });

  it.each([
    ['2.1', ['created_at', 'dest_compute', 'dest_host', 'dest_node', 'id', 'instance_uuid', 'new_instance_type_id', 'old_instance_type_id', 'source_compute', 'source_node', 'status', 'updated_at']],
    ['2.23', ['links', 'migration_type']],
    ['2.59', ['links', 'migration_type', 'uuid']],
    ['2.80', ['links', 'migration_type', 'project_id', 'user_id', 'uuid']],
  ])('have in %s the keys of that version', async (version, keys) => {
    const first = ['created_at', 'dest_compute', 'dest_host', 'dest_node', 'id', 'instance_uuid', 'new_instance_type_id', 'old_instance_type_id', 'source_compute', 'source_node', 'status', 'updated_at'];
    const live = (await list('', version)).find(({ id }) => id === ids.live.id);
    expect(Object.keys(live).sort()).toEqual([...new Set([...first, ...keys])].sort());
  });

  it.each<[string, () => string, ('resize' | 'live' | 'cold')[]]>([
    ['the server', () => `instance_uuid=${other}`, ['cold']],
    ['the status', () => 'status=finished', ['resize']],
    ['several statuses', () => 'status=finished&status=error', ['resize', 'cold']],
    ['the type', () => 'migration_type=live-migration', ['live']],
    ['a host at either end', () => 'host=host2', ['resize']],
    ['the source', () => 'source_compute=host1', ['live', 'resize', 'cold']],
    ['a source that is a destination only', () => 'source_compute=host2', []],
    ['the user', () => `user_id=${userId}`, ['live', 'cold']],
    ['the project', () => `project_id=${projectId}&status=error`, ['cold']],
    ['a time to come', () => 'changes-since=2100-01-01T00:00:00Z', []],
    ['a time long ago', () => 'changes-before=2000-01-01T00:00:00Z', []],
    ['no server', () => 'instance_uuid=nosuch', []],
    ['text that is no word of ours', () => `status=${encodeURIComponent("' OR 1=1 --")}`, []],
  ])('are filtered by %s', async (_name, query, expected) => {
    expect((await list(`?${query()}`)).map(({ id }) => id)).toEqual(expected.map((name) => ids[name].id));
  });

  it('come in pages', async () => {
    const { body } = await lab.asAdmin('GET', '/v2.1/os-migrations?limit=2');
    expect(body.migrations.map(({ id }: any) => id)).toEqual([ids.live.id, ids.resize.id]);
    const next = new URL(body.migrations_links[0].href);
    expect((await lab.asAdmin('GET', next.pathname + next.search)).body).toEqual({ migrations: [expect.objectContaining({ id: ids.cold.id })] });
  });

  it.each<[string, string, number, string | RegExp]>([
    ['an unknown marker', '?marker=00000000-0000-0000-0000-000000000000', 400, 'Marker 00000000-0000-0000-0000-000000000000 could not be found.'],
    ['an unknown filter', '?nosuch=1', 400, /nosuch/],
    ['a negative limit', '?limit=-1', 400, /limit/],
    ['a time that is none', '?changes-since=yesterday', 400, /changes-since/],
    ['times the wrong way round', '?changes-since=2026-02-01T00:00:00Z&changes-before=2026-01-01T00:00:00Z', 400, 'The value of changes-since must be less than or equal to changes-before.'],
  ])('refuse %s', async (_name, query, status, message) => {
    const answer = await lab.asAdmin('GET', `/v2.1/os-migrations${query}`);
    expect([answer.status, Object.values<any>(answer.body)[0].message]).toEqual([status, typeof message === 'string' ? message : expect.stringMatching(message)]);
  });

  it('know the later filters only in later versions', async () => {
    expect((await lab.asAdmin('GET', '/v2.1/os-migrations?user_id=x', undefined, { version: '2.66' })).status).toBe(400);
    expect((await lab.asAdmin('GET', '/v2.1/os-migrations?changes-before=2026-01-01', undefined, { version: '2.59' })).status).toBe(400);
    expect((await list('?limit=1&nosuch=1', '2.58'))).toHaveLength(3);
  });

  it('are not for others', async () => {
    expect((await lab.call('GET', '/v2.1/os-migrations')).body).toEqual({ forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:os-migrations:index to be performed." } });
    expect((await lab.call('GET', `/v2.1/servers/${server}/migrations`)).status).toBe(403);
    expect((await lab.call('GET', `/v2.1/servers/${server}/migrations/${ids.live.id}`)).status).toBe(403);
  });

  describe('of a server', () => {
    const seen = () => ({
      id: ids.live.id, uuid: ids.live.uuid, source_compute: 'host1', dest_compute: 'host3', source_node: 'host1', dest_node: 'host3', dest_host: null, status: 'running', user_id: userId, project_id: projectId,
      created_at: TIME, updated_at: TIME, server_uuid: server, memory_total_bytes: 4096, memory_processed_bytes: 1024, memory_remaining_bytes: 3072, disk_total_bytes: 0, disk_processed_bytes: 0, disk_remaining_bytes: 0,
    });
    it('are its live ones in progress', async () => {
      expect((await lab.asAdmin('GET', `/v2.1/servers/${server}/migrations`)).body).toEqual({ migrations: [seen()] });
      expect((await lab.asAdmin('GET', `/v2.1/servers/${other}/migrations`)).body).toEqual({ migrations: [] });
      expect((await lab.asAdmin('GET', `/v2.1/servers/${server}/migrations/${ids.live.id}`)).body).toEqual({ migration: seen() });
    });
    it('came with 2.23, ids with 2.59 and owners with 2.80', async () => {
      const keys = async (version: string) => Object.keys((await lab.asAdmin('GET', `/v2.1/servers/${server}/migrations/${ids.live.id}`, undefined, { version })).body.migration ?? {});
      expect(await keys('2.22')).toEqual([]);
      expect(await keys('2.23')).not.toContain('uuid');
      expect(await keys('2.59')).toContain('uuid');
      expect(await keys('2.79')).not.toContain('user_id');
      expect(await keys('2.80')).toEqual(expect.arrayContaining(['user_id', 'project_id']));
    });
    it.each<[string, () => [string, number | string], string]>([
      ['one of another server', () => [other, ids.live.id], 'In-progress live migration {id} is not found for server {server}.'],
      ['no number', () => [server, '1e3'], 'In-progress live migration {id} is not found for server {server}.'],
      ['a resize', () => [server, ids.resize.id], 'Migration {id} for server {server} is not live-migration.'],
    ])('do not show %s', async (_name, which, message) => {
      const [of, id] = which();
      expect((await lab.asAdmin('GET', `/v2.1/servers/${of}/migrations/${id}`)).body).toEqual({ itemNotFound: { code: 404, message: message.replace('{id}', String(id)).replace('{server}', of) } });
    });
    it('are not shown once they have ended, and then do not change', async () => {
      await updateMigration(lab.db, ids.live.id, { status: 'cancelled' });
      expect((await lab.asAdmin('GET', `/v2.1/servers/${server}/migrations/${ids.live.id}`)).body).toEqual({ itemNotFound: { code: 404, message: `Live migration ${ids.live.id} for server ${server} is not in progress.` } });
      expect(await updateMigration(lab.db, ids.live.id, { status: 'running' })).toBe(false);
      expect((await list('?migration_type=live-migration'))[0]).not.toHaveProperty('links');
    });
  });
});
