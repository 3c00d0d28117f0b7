import { join } from 'node:path';
import { newHexId, newUuid } from '@virga/core';
import { routesOf } from '@virga/rest';
import { cellsOf, changedBy, openTo, policyTable, upsideDown, walkPolicies, type WalkedRoute } from '@virga/testing';
import { AGGREGATE_ACTIONS } from '../aggregates/aggregate-actions';
import { SERVER_ACTION_HANDLERS } from '../servers/actions/server-actions.controller';
import { startLab, type Lab } from './lab';

/** Who may do what, read and agreed on; POLICY_TABLE_WRITE=1 writes what the service does, for review. */
const TABLE = join(__dirname, 'policy-table.tsv');
const ACTIONS: Record<string, string[]> = {
  '/v2.1/servers/:id/action': Object.keys(SERVER_ACTION_HANDLERS),
  '/v2.1/os-aggregates/:id/action': Object.keys(AGGREGATE_ACTIONS),
  '/v2.1/flavors/:id/action': ['addTenantAccess', 'removeTenantAccess'],
};

/** Input that is judged before the policy or before the server is looked for, so that it must be right. */
const BODIES: Record<string, unknown> = {
  'PUT /v2.1/servers/:id': { server: { name: 'x' } },
  'POST /v2.1/servers/:id/metadata': { metadata: { key: 'v' } },
  'PUT /v2.1/servers/:id/metadata': { metadata: { key: 'v' } },
  'PUT /v2.1/servers/:id/metadata/:key': { meta: { key: 'v' } },
  'PUT /v2.1/servers/:id/tags': { tags: ['tag'] },
  'POST /v2.1/servers/:id/os-interface': { interfaceAttachment: {} },
  'POST /v2.1/servers/:id/remote-consoles': { remote_console: { protocol: 'vnc', type: 'novnc' } },
  'POST /v2.1/flavors/:id/action#addTenantAccess': { addTenantAccess: { tenant: 'x' } },
  'POST /v2.1/flavors/:id/action#removeTenantAccess': { removeTenantAccess: { tenant: 'x' } },
};

/** Columns by method and path. */
describe('every route as every persona', () => {
  let lab: Lab;
  let walked: string[];
  let template: Record<string, unknown>;

  /** Everything that a path may name, each of it the project's or its user's own. */
  async function fixtures(): Promise<Record<string, string>> {
    const [id, name] = [newUuid(), `n${newHexId()}`];
    const { num: _num, ...row } = template as { num: number };
    await lab.db.insertInto('instances').values({ ...row, id } as never).execute();
    await lab.db.insertInto('instance_metadata').values({ instance_id: id, name: 'key', value: 'v' }).execute();
    await lab.db.insertInto('instance_tags').values({ instance_id: id, tag: 'tag' }).execute();
    await lab.db.insertInto('instance_actions').values({
      instance_id: id, operation_id: null, action: 'create', request_id: 'req-1', user_id: lab.userId, project_id: lab.projectId, start_time: new Date(), updated_at: new Date(), message: null,
    }).execute();
    await lab.db.insertInto('flavors').values({ flavorid: name, name, vcpus: 1, memory_mb: 1, root_gb: 1, ephemeral_gb: 0, swap_mb: 0, rxtx_factor: 1, is_public: 1, description: null }).execute();
    const { id: flavorId } = await lab.db.selectFrom('flavors').select('id').where('name', '=', name).executeTakeFirstOrThrow();
    await lab.db.insertInto('flavor_extra_specs').values({ flavor_id: flavorId, name: 'spec', value: 'v' }).execute();
    await lab.db.insertInto('keypairs').ignore().values(Object.values({ member: lab.userId, ...users }).map((user) => ({ user_id: user, name: 'key', type: 'ssh', public_key: 'k', fingerprint: 'f', created_at: new Date() }))).execute();
    const { insertId } = await lab.db.insertInto('aggregates').values({ uuid: newUuid(), name, created_at: new Date(), updated_at: null }).executeTakeFirstOrThrow();
    const service = newUuid();
    await lab.db.insertInto('services').values({ uuid: service, binary: 'nova-other', host: name, host_id: null, zone: 'internal', disabled_reason: null, lease_until: new Date(), updated_at: new Date() }).execute();
    const groupId = newUuid();
    await lab.db.insertInto('server_groups').values({ id: groupId, name, policy: 'affinity', max_per_host: null, project_id: lab.projectId, user_id: lab.userId, created_at: new Date() }).execute();
    return {
      servers: id, metadata: 'key', tags: 'tag', 'os-instance-actions': 'req-1', ips: 'net', 'os-interface': newUuid(), migrations: '1', flavors: name, 'os-extra_specs': 'spec', 'os-keypairs': 'key',
      'os-aggregates': String(insertId), 'os-services': service, 'os-hypervisors': lab.agents[0]!.hostId, 'os-hypervisors/:pattern': 'host', 'os-hosts': 'host1',
      'os-quota-sets': lab.projectId, 'os-quota-class-sets': 'default', 'os-simple-tenant-usage': lab.projectId, extensions: 'os-keypairs', 'os-instance_usage_audit_log': '2026-01-01 00:00:00',
      'os-server-groups': groupId, 'os-volume_attachments': newUuid(), 'remote-consoles': newUuid(), 'os-console-auth-tokens': newUuid(),
    };
  }
  const users = { admin: newHexId(), manager: newHexId(), reader: newHexId(), other: newHexId(), otherAdmin: newHexId() };

  beforeAll(async () => {
    lab = await startLab({ hosts: 1 });
    // Whoever is let through comes to the other service, which is not asked for its opinion here.
    for (const api of [lab.networkApi, lab.imageApi]) api.otherwise(() => ({ status: 409, body: {} }));
    const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: lab.images.add(), flavorRef: await lab.makeFlavor(), networks: 'none' } });
    await lab.active(body.server.id);
    template = { ...(await lab.db.selectFrom('instances').selectAll().where('id', '=', body.server.id).executeTakeFirstOrThrow()), host_id: null, host: null };
    const routes = routesOf(lab.app).filter(({ path }) => path.startsWith('/v2.1/') && !path.endsWith('*')).flatMap(({ method, path }): WalkedRoute[] =>
      (ACTIONS[path] ?? [undefined]).map((action) => ({ method, path, ...(action !== undefined && { action }) })));
    walked = await walkPolicies({
      routes,
      versions: ['2.96', '2.87', '2.52', '2.42', '2.35'],
      personas: {
        admin: lab.tokenFor({ userId: users.admin, roles: ['admin'] }),
        manager: lab.tokenFor({ userId: users.manager, roles: ['manager'] }),
        member: lab.tokenFor({ roles: ['member'] }),
        reader: lab.tokenFor({ userId: users.reader, roles: ['reader'] }),
        'other-member': lab.identity.sign({ userId: users.other, roles: ['member'] }),
        'other-admin': lab.identity.sign({ userId: users.otherAdmin, roles: ['admin'] }),
        'domain-admin': lab.identity.sign({ domain: true, roles: ['admin'] }),
        'system-reader': lab.identity.sign({ system: true, roles: ['reader'] }),
        'no-role': lab.tokenFor({ userId: users.reader, roles: [] }),
        'no-token': null,
      },
      bodies: BODIES,
      fixtures,
      send: async (method, path, token, version, body) => (await lab.call(method, path, body, { token, version })).status,
    });
  }, 400_000);
  afterAll(() => lab.stop());

  it('is let through where the table says', () => {
    const { agreed, served } = policyTable(TABLE, walked);
    expect(Object.fromEntries(Object.keys(agreed).map((route) => [route, served[route]]))).toEqual(agreed);
  });

  it('needs a token', () => {
    expect(openTo(walked, 'no-token')).toEqual([]);
  });

  it('finds nothing of another project', () => {
    expect(cellsOf(walked).filter(({ path, as }) => path.includes('/servers/:id') && as('other-member') === 'pass')).toEqual([]);
  });

  it('cannot change anything as a reader but the own key pairs', () => {
    expect(changedBy(walked, 'reader').map(({ route }) => route)).toEqual(['DELETE /v2.1/os-keypairs/:name', 'POST /v2.1/os-keypairs']);
  });

  it('can no less as a manager than as a member, as a member than as a reader', () => {
    expect(upsideDown(walked)).toEqual([]);
  });
});
