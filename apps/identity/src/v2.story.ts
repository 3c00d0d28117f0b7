import { PASSWORDS, passwordLogin, startTestCloud, type TestCloud } from './testing/test-cloud';
import { readClaims } from './tokens/read-claims';

let cloud: TestCloud;
beforeAll(async () => { cloud = await startTestCloud('identity_v2'); });
afterAll(() => cloud.stop());

const log = (auth: unknown) => cloud.request('POST', '/v2.0/tokens', { body: { auth } });
const demo = { username: 'demo', password: PASSWORDS.demo };

describe('Identity v2.0', () => {
  test('logs in by password and by token, with the catalog in its own form', async () => {
    expect((await cloud.request('GET', '/v2.0')).body.version).toMatchObject({ id: 'v2.0', status: 'deprecated' });
    const unscoped = await log({ passwordCredentials: demo });
    expect([unscoped.status, unscoped.body.access.serviceCatalog, unscoped.body.access.token.tenant]).toEqual([200, [], undefined]);
    const { id } = unscoped.body.access.token;
    const tenants = (await cloud.request('GET', '/v2.0/tenants', { token: id })).body.tenants;
    expect(tenants).toEqual([{ id: expect.any(String), name: 'demo', description: '', enabled: true }]);
    for (const auth of [{ token: { id }, tenantName: 'demo' }, { token: { id }, tenantId: tenants[0].id }, { passwordCredentials: demo, tenantName: 'demo', tenantId: '' }]) {
      const { status, body } = await log(auth);
      expect(status).toBe(200);
      expect(body.access.token).toMatchObject({ tenant: tenants[0], expires: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/) });
      expect(body.access.user).toMatchObject({ name: 'demo', username: 'demo', roles: [{ name: 'member' }, { name: 'reader' }] });
      expect(body.access.serviceCatalog).toContainEqual(expect.objectContaining({ type: 'compute', endpoints: [expect.objectContaining({ region: 'RegionOne', publicURL: 'http://127.0.0.1:8774/v2.1' })] }));
      expect(body.access.serviceCatalog.find(({ type }: { type: string }) => type === 'identity').endpoints).toHaveLength(1);
      expect((await cloud.request('GET', '/v3/auth/projects', { token: body.access.token.id })).status).toBe(200);
    }
    const byId = await log({ passwordCredentials: { userId: readClaims(id).sub, password: PASSWORDS.demo }, tenantName: 'demo' });
    expect(byId.status).toBe(200);
  });

  test('tells about a token whoever may ask', async () => {
    const [admin, own] = [await cloud.admin(), await cloud.demo()];
    const ask = (method: string, path: string, token: string) => cloud.request(method, `/v2.0/tokens/${path}`, { token });
    expect((await ask('GET', own, admin)).body.access).toMatchObject({ user: { name: 'demo' }, token: { id: own } });
    expect((await ask('HEAD', own, admin)).status).toBe(200);
    expect((await ask('GET', `${own}?belongsTo=${readClaims(own).project!.id}`, admin)).status).toBe(200);
    expect((await ask('GET', `${own}?belongsTo=${readClaims(admin).project!.id}`, admin)).status).toBe(404);
    expect((await ask('GET', `${own}/endpoints`, admin)).body.endpoints.length).toBeGreaterThan(1);
    expect((await ask('GET', admin, own)).status).toBe(403);
    expect((await ask('GET', 'nonsense', admin)).status).toBe(404);
    expect((await cloud.request('GET', `/v2.0/tokens/${own}`)).status).toBe(401);
    const system = await cloud.login('admin', PASSWORDS.admin, { system: { all: true } });
    expect((await ask('GET', system, admin)).status).toBe(404);
    await cloud.request('DELETE', '/v3/auth/tokens', { token: own, headers: { 'x-subject-token': own } });
    expect((await ask('GET', own, admin)).status).toBe(404);
  });

  test('knows no other domain, and writes nothing', async () => {
    const admin = await cloud.admin();
    const { domain } = (await cloud.request('POST', '/v3/domains', { token: admin, body: { domain: { name: 'other' } } })).body;
    const { user } = (await cloud.request('POST', '/v3/users', { token: admin, body: { user: { name: 'far', password: 'far away', domain_id: domain.id } } })).body;
    expect((await log({ passwordCredentials: { username: 'far', password: 'far away' } })).status).toBe(401);
    expect((await log({ passwordCredentials: { userId: user.id, password: 'far away' } })).status).toBe(401);
    expect((await cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('demo', PASSWORDS.demo) })).status).toBe(201);
    for (const [method, path] of [['POST', 'tenants'], ['GET', 'users'], ['DELETE', `tokens/${admin}`], ['POST', 'users']] as const) {
      expect([method, path, (await cloud.request(method, `/v2.0/${path}`, { token: admin, ...(method === 'POST' && { body: {} }) })).status]).toEqual([method, path, 404]);
    }
  });

  test.each([
    [{}], [{ passwordCredentials: {} }], [{ passwordCredentials: { password: 'x' } }], [{ passwordCredentials: { username: 'demo', userId: 'x', password: 'x' } }],
    [{ passwordCredentials: demo, token: { id: 'x' } }], [{ passwordCredentials: demo, tenantName: 'a', tenantId: 'b' }], [{ passwordCredentials: { ...demo, username: 5 } }], [5],
  ])('400 in the envelope: %j', async (auth) => {
    const { status, body } = await log(auth);
    expect([status, body.error?.code, body.error?.title]).toEqual([400, 400, 'Bad Request']);
  });

  test.each([[{ passwordCredentials: { ...demo, password: 'wrong' } }], [{ passwordCredentials: demo, tenantName: 'admin' }], [{ token: { id: 'nonsense' } }]])('401: %j', async (auth) => {
    const { status, body } = await log(auth);
    expect([status, body.error]).toEqual([401, { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' }]);
  });
});
