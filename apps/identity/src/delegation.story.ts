import { projectScope, passwordLogin, PASSWORDS, startTestCloud, type Answer, type TestCloud } from './testing/test-cloud';
import { readClaims } from './tokens/read-claims';

let cloud: TestCloud;
let admin: string;
let demo: string;
let ids: { demo: string; nova: string; demoProject: string; admin: string };
beforeAll(async () => {
  cloud = await startTestCloud('identity_delegation');
  [admin, demo] = await Promise.all([cloud.admin(), cloud.demo()]);
  const claims = readClaims(demo);
  ids = { demo: claims.sub, demoProject: claims.project!.id, admin: readClaims(admin).sub, nova: readClaims(await cloud.login('nova', PASSWORDS.nova)).sub };
});
afterAll(() => cloud.stop());

const send = (method: string, path: string, token: string, body?: unknown): Promise<Answer> => cloud.request(method, `/v3/${path}`, { token, ...(body !== undefined && { body }) });
const status = async (method: string, path: string, token: string, body?: unknown): Promise<number> => (await send(method, path, token, body)).status;
const novaLogin = (scope?: unknown) => cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('nova', PASSWORDS.nova, scope) });
const alive = async (token: string): Promise<boolean> => (await cloud.request('GET', '/v3/auth/tokens', { token, headers: { 'x-subject-token': token } })).status === 200;

describe('trusts', () => {
  const give = (extra: object = {}, token = demo) => send('POST', 'OS-TRUST/trusts', token, {
    trust: { trustor_user_id: ids.demo, trustee_user_id: ids.nova, impersonation: false, project_id: ids.demoProject, roles: [{ name: 'member' }], ...extra },
  });

  test('lend roles: the trustee gets them in the own name or the trustor\'s, and loses them with the trust', async () => {
    for (const impersonation of [false, true]) {
      const { body: { trust } } = await give({ impersonation });
      expect(trust).toMatchObject({ impersonation, roles: [{ name: 'member' }], expires_at: null, remaining_uses: null, deleted_at: null });
      const login = await novaLogin({ 'OS-TRUST:trust': { id: trust.id } });
      expect(login.status).toBe(201);
      expect(login.body.token).toMatchObject({
        user: { id: impersonation ? ids.demo : ids.nova }, project: { id: ids.demoProject },
        'OS-TRUST:trust': { id: trust.id, impersonation, trustor_user: { id: ids.demo }, trustee_user: { id: ids.nova } },
      });
      expect(login.body.token.audit_ids).toHaveLength(1);
      const token = login.headers.get('x-subject-token')!;
      expect(login.body.token.roles.map(({ name }: { name: string }) => name).sort()).toEqual(['member', 'reader']);
      expect((await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['token'], token: { id: token } } } } })).status).toBe(403);
      expect(await status('POST', 'credentials', token, { credential: { blob: 'x', type: 'cert' } })).toBe(403);
      expect(await status('POST', `users/${ids.demo}/application_credentials`, token, { application_credential: { name: 'kept' } })).toBe(403);
      expect((await give({}, token)).status).toBe(403);
      expect(await alive(token)).toBe(true);
      expect(await status('DELETE', `OS-TRUST/trusts/${trust.id}`, demo)).toBe(204);
      expect(await alive(token)).toBe(false);
      expect((await novaLogin({ 'OS-TRUST:trust': { id: trust.id } })).status).toBe(401);
    }
  });

  test('are used as often as they say, and until they end', async () => {
    const { body: { trust } } = await give({ remaining_uses: 2, expires_at: new Date(Date.now() + 60_000).toISOString() });
    const answers = await Promise.all(Array.from({ length: 4 }, () => novaLogin({ 'OS-TRUST:trust': { id: trust.id } })));
    expect(answers.map((answer) => answer.status).sort()).toEqual([201, 201, 401, 401]);
    const token = answers.find((answer) => answer.status === 201)!.body.token;
    expect(Date.parse(token.expires_at)).toBeLessThanOrEqual(Date.parse(trust.expires_at));
    expect(await status('GET', `OS-TRUST/trusts/${trust.id}`, demo)).toBe(404);
  });

  test('end their tokens when the trustor loses the role', async () => {
    const { body: { role } } = await send('POST', 'roles', admin, { role: { name: 'lent' } });
    const grant = `projects/${ids.demoProject}/users/${ids.demo}/roles/${role.id}`;
    await send('PUT', grant, admin);
    const { body: { trust } } = await give({ roles: [{ id: role.id }] }, await cloud.demo());
    const token = (await novaLogin({ 'OS-TRUST:trust': { id: trust.id } })).headers.get('x-subject-token')!;
    expect(await alive(token)).toBe(true);
    expect(await status('DELETE', grant, admin)).toBe(204);
    expect(await alive(token)).toBe(false);
    expect((await novaLogin({ 'OS-TRUST:trust': { id: trust.id } })).status).toBe(403);
    demo = await cloud.demo();
  });

  test('are their users\' business, and no one gives what is not theirs', async () => {
    const { body: { trust } } = await give();
    const nova = await cloud.login('nova', PASSWORDS.nova, projectScope('service'));
    expect(await status('GET', `OS-TRUST/trusts/${trust.id}`, nova)).toBe(200);
    expect(await status('DELETE', `OS-TRUST/trusts/${trust.id}`, nova)).toBe(403);
    expect(await status('GET', 'OS-TRUST/trusts', demo)).toBe(403);
    expect(await status('GET', `OS-TRUST/trusts?trustor_user_id=${ids.demo}`, nova)).toBe(403);
    expect((await send('GET', `OS-TRUST/trusts?trustee_user_id=${ids.nova}`, nova)).body.trusts.map(({ id }: { id: string }) => id)).toContain(trust.id);
    for (const [extra, wanted] of [
      [{ trustor_user_id: ids.admin }, 403], [{ roles: [{ name: 'admin' }] }, 404], [{ roles: [] }, 403], [{ project_id: null }, 400], [{ expires_at: 'bad.123Z' }, 400],
      [{ remaining_uses: 0 }, 400], [{ trustee_user_id: 'nosuch' }, 404], [{ allow_redelegation: true }, 403], [{ impersonation: 'yes' }, 400],
    ] as const) expect([extra, (await give(extra)).status]).toEqual([extra, wanted]);
    expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('admin', PASSWORDS.admin, { 'OS-TRUST:trust': { id: trust.id } }) })).status).toBe(403);
  });
});

describe('access rules', () => {
  test('limit a credential to the requests that they name', async () => {
    const rules = [{ service: 'identity', method: 'GET', path: '/v3/auth/projects' }, { service: 'compute', method: 'GET', path: '/v2.1/**' }];
    const path = `users/${ids.demo}/application_credentials`;
    const { body: { application_credential: made }, status: created } = await send('POST', path, demo, { application_credential: { name: 'narrow', access_rules: rules } });
    expect([created, made.access_rules]).toEqual([201, expect.arrayContaining(rules.map((rule) => expect.objectContaining(rule) as unknown))]);
    const login = await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['application_credential'], application_credential: { id: made.id, secret: made.secret } } } } });
    expect(login.body.token.application_credential.access_rules).toHaveLength(2);
    const token = login.headers.get('x-subject-token')!;
    expect(await status('GET', 'auth/projects', token)).toBe(200);
    expect(await status('GET', 'auth/domains', token)).toBe(401);
    expect(await status('GET', `users/${ids.demo}`, token)).toBe(401);
    const again = await send('POST', path, demo, { application_credential: { name: 'narrow2', access_rules: [{ id: made.access_rules[0].id }] } });
    expect(again.body.application_credential.access_rules).toEqual([made.access_rules[0]]);
    const own = `users/${ids.demo}/access_rules`;
    expect((await send('GET', own, demo)).body.access_rules).toHaveLength(2);
    expect(await status('DELETE', `${own}/${made.access_rules[0].id}`, demo)).toBe(403);
    for (const { id } of [made, again.body.application_credential]) expect(await status('DELETE', `${path}/${id}`, demo)).toBe(204);
    for (const { id } of made.access_rules) expect(await status('DELETE', `${own}/${id}`, demo)).toBe(204);
    expect((await send('GET', own, demo)).body.access_rules).toEqual([]);
    for (const wrong of [{ path: '/x' }, { ...rules[0], method: 'TRACE' }, { id: 'nosuch' }, { ...rules[0], path: 'v3' }]) {
      expect([wrong, await status('POST', path, demo, { application_credential: { name: 'w', access_rules: [wrong] } })]).toEqual([wrong, 400]);
    }
  });

  test('go with their user', async () => {
    const { body: { user } } = await send('POST', 'users', admin, { user: { name: 'leaving', password: 'leaving secret' } });
    const member = (await send('GET', 'roles?name=member', admin)).body.roles[0].id;
    await send('PUT', `projects/${ids.demoProject}/users/${user.id}/roles/${member}`, admin);
    const token = await cloud.login('leaving', 'leaving secret', projectScope('demo'));
    expect(await status('POST', `users/${user.id}/application_credentials`, token, { application_credential: { name: 'n', access_rules: [{ service: 's', method: 'GET', path: '/' }] } })).toBe(201);
    expect(await status('DELETE', `users/${user.id}`, admin)).toBe(204);
  });
});

describe('credentials', () => {
  test('are kept sealed, for their user only', async () => {
    const blob = '{"access": "key", "secret": "hush-hush"}';
    const { status: made, body: { credential } } = await send('POST', 'credentials', demo, { credential: { blob, type: 'ec2', project_id: ids.demoProject } });
    expect([made, credential]).toEqual([201, expect.objectContaining({ blob, type: 'ec2', user_id: ids.demo, project_id: ids.demoProject })]);
    expect(JSON.stringify(await cloud.db.selectFrom('credentials').selectAll().execute())).not.toContain('hush');
    const nova = await cloud.login('nova', PASSWORDS.nova, projectScope('service'));
    expect(await status('GET', `credentials/${credential.id}`, nova)).toBe(403);
    expect((await send('GET', 'credentials', nova)).body.credentials).toEqual([]);
    expect((await send('GET', `credentials?user_id=${ids.demo}`, nova)).body.credentials).toEqual([]);
    expect((await send('GET', 'credentials?type=ec2', demo)).body.credentials).toHaveLength(1);
    expect(await status('PATCH', `credentials/${credential.id}`, demo, { credential: { user_id: ids.admin } })).toBe(403);
    expect(await status('POST', 'credentials', demo, { credential: { blob, type: 'ec2', user_id: ids.admin, project_id: ids.demoProject } })).toBe(403);
    expect(await status('POST', 'credentials', demo, { credential: { blob: '{}', type: 'ec2', project_id: ids.demoProject } })).toBe(400);
    expect(await status('POST', 'credentials', demo, { credential: { blob, type: 'ec2' } })).toBe(400);
    expect((await send('PATCH', `credentials/${credential.id}`, demo, { credential: { type: 'cert', blob: 'new' } })).body.credential).toMatchObject({ type: 'cert', blob: 'new' });
    expect(await status('DELETE', `credentials/${credential.id}`, nova)).toBe(403);
    expect(await status('DELETE', `credentials/${credential.id}`, demo)).toBe(204);
    expect(await status('GET', `credentials/${credential.id}`, admin)).toBe(404);
  });

  test('for EC2 are made in pairs where the user has a role', async () => {
    const path = `users/${ids.demo}/credentials/OS-EC2`;
    const { status: made, body: { credential } } = await send('POST', path, demo, { tenant_id: ids.demoProject });
    expect(made).toBe(201);
    expect((await send('GET', `${path}/${credential.access}`, demo)).body.credential).toMatchObject({ secret: credential.secret, tenant_id: ids.demoProject, user_id: ids.demo });
    expect((await send('GET', path, demo)).body.credentials).toHaveLength(1);
    expect(await status('GET', path, await cloud.login('nova', PASSWORDS.nova, projectScope('service')))).toBe(403);
    expect(await status('POST', path, demo, { tenant_id: readClaims(admin).project!.id })).toBe(403);
    expect(await status('DELETE', `${path}/${credential.access}`, demo)).toBe(204);
    expect(await status('GET', `${path}/${credential.access}`, demo)).toBe(404);
  });
});

describe('what admins keep here', () => {
  test('policy documents and OAuth consumers', async () => {
    const { body: { policy } } = await send('POST', 'policies', admin, { policy: { blob: 'b', type: 't' } });
    expect((await send('PATCH', `policies/${policy.id}`, admin, { policy: { type: 't2' } })).body.policy).toMatchObject({ id: policy.id, blob: 'b', type: 't2' });
    expect((await send('GET', 'policies?type=t2', admin)).body.policies).toHaveLength(1);
    const { body: { consumer } } = await send('POST', 'OS-OAUTH1/consumers', admin, { consumer: { description: 'd' } });
    expect(consumer.secret).toMatch(/^[0-9a-f]{64}$/);
    expect((await send('GET', `OS-OAUTH1/consumers/${consumer.id}`, admin)).body.consumer.secret).toBeUndefined();
    expect(await status('PATCH', `OS-OAUTH1/consumers/${consumer.id}`, admin, { consumer: { secret: 'mine' } })).toBe(400);
    for (const path of [`policies/${policy.id}`, `OS-OAUTH1/consumers/${consumer.id}`]) {
      for (const [method, body] of [['GET', undefined], ['PATCH', { policy: { type: 'x' }, consumer: {} }], ['DELETE', undefined]] as const) expect([path, method, await status(method, path, demo, body)]).toEqual([path, method, 403]);
      expect(await status('DELETE', path, admin)).toBe(204);
      expect(await status('GET', path, admin)).toBe(404);
    }
  });

  test('the configuration of a domain, whose secrets are not shown', async () => {
    const { body: { domain } } = await send('POST', 'domains', admin, { domain: { name: 'configured' } });
    const path = `domains/${domain.id}/config`;
    const config = { ldap: { url: 'ldap://x', password: 'hush' }, identity: { driver: 'ldap' } };
    const made = await send('PUT', path, admin, { config });
    expect([made.status, made.body]).toEqual([201, { config: { ldap: { url: 'ldap://x' }, identity: { driver: 'ldap' } } }]);
    expect(await status('PUT', path, admin, { config })).toBe(200);
    expect((await send('GET', `${path}/ldap/url`, admin)).body).toEqual({ config: { url: 'ldap://x' } });
    expect((await send('PATCH', `${path}/ldap/url`, admin, { config: { url: 'ldap://y' } })).body.config.ldap.url).toBe('ldap://y');
    expect(await status('GET', `${path}/ldap/password`, admin)).toBe(404);
    expect(await status('PATCH', `${path}/ldap`, admin, { config: { identity: { driver: 'x' } } })).toBe(403);
    expect(await status('PUT', path, admin, { config: { assignment: { driver: 'x' } } })).toBe(403);
    expect(await status('PUT', path, admin, { config: { ldap: { nosuch: 1 } } })).toBe(403);
    expect(await status('GET', path, demo)).toBe(403);
    expect(JSON.stringify(await cloud.db.selectFrom('domain_config').selectAll().execute())).not.toContain('hush');
    expect(await status('DELETE', `${path}/identity`, admin)).toBe(204);
    expect(await status('GET', `${path}/identity`, admin)).toBe(404);
    expect(await status('DELETE', path, admin)).toBe(204);
    expect(await status('GET', path, admin)).toBe(404);
    expect(Object.keys((await send('GET', 'domains/config/default', admin)).body.config)).toEqual(['identity', 'ldap']);
  });

  test('endpoint filters decide what the catalog of a project has', async () => {
    const types = async () => (await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('demo', PASSWORDS.demo, projectScope('demo')) })).body.token.catalog.map(({ type }: { type: string }) => type).sort();
    expect(await types()).toEqual(['compute', 'identity']);
    const compute = (await send('GET', 'services?type=compute', admin)).body.services[0].id;
    const group = (await send('POST', 'OS-EP-FILTER/endpoint_groups', admin, { endpoint_group: { name: 'g', filters: { service_id: compute } } })).body.endpoint_group;
    expect(await status('PUT', `OS-EP-FILTER/endpoint_groups/${group.id}/projects/${ids.demoProject}`, admin)).toBe(204);
    expect(await types()).toEqual(['compute']);
    expect((await send('GET', `OS-EP-FILTER/projects/${ids.demoProject}/endpoints`, admin)).body.endpoints).toHaveLength(1);
    const keystone = (await send('GET', 'services?type=identity', admin)).body.services[0].id;
    const endpoint = (await send('GET', `endpoints?service_id=${keystone}&interface=public`, admin)).body.endpoints[0].id;
    const direct = `OS-EP-FILTER/projects/${ids.demoProject}/endpoints/${endpoint}`;
    expect(await status('PUT', direct, admin)).toBe(204);
    expect(await status('HEAD', direct, admin)).toBe(204);
    expect(await types()).toEqual(['compute', 'identity']);
    expect(await status('PUT', direct, demo)).toBe(403);
    expect(await status('DELETE', direct, admin)).toBe(204);
    expect(await status('GET', direct, admin)).toBe(404);
    expect(await status('DELETE', `OS-EP-FILTER/endpoint_groups/${group.id}`, admin)).toBe(204);
    expect(await types()).toEqual(['compute', 'identity']);
  });
});
