import { identityContract, REVOCATION_TOPIC } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { TokenVerifier } from '@virga/rest';
import { MemoryBus } from '@virga/rpc';
import { readClaims } from './tokens/read-claims';
import { startTestCloud, type TestCloud } from './testing/test-cloud';

describe('the edge of identity', () => {
  let cloud: TestCloud;
  let admin: string;
  beforeAll(async () => { cloud = await startTestCloud('identity_edge'); admin = await cloud.admin(); });
  afterAll(() => cloud.stop());

  test('version documents need no token', async () => {
    const root = await cloud.request('GET', '/');
    expect(root.status).toBe(300);
    expect(root.headers.get('location')).toBe(`${cloud.url}/v3/`);
    expect(root.body.versions.values).toHaveLength(1);
    for (const path of ['/v3', '/v3/', '//v3//']) {
      const { status, body } = await cloud.request('GET', path);
      expect({ path, status }).toEqual({ path, status: 200 });
      expect(body.version).toEqual(root.body.versions.values[0]);
    }
    expect(root.body.versions.values[0]).toMatchObject({ id: 'v3.14', status: 'stable', links: [{ rel: 'self', href: `${cloud.url}/v3/` }] });
    expect((await cloud.request('GET', '/v3', { token: 'nonsense' })).status).toBe(200);
  });

  test('a path that is not there is HTML, as from keystone', async () => {
    const { status, headers, body } = await cloud.request('GET', '/v3/nosuchroute', { token: admin });
    expect(status).toBe(404);
    expect(headers.get('content-type')).toBe('text/html; charset=utf-8');
    expect(body).toMatch(/^<!doctype html>/);
    expect(headers.get('x-openstack-request-id')).toMatch(/^req-/);
  });

  test('a path that cannot be decoded, an overlong one, and one that climbs', async () => {
    const broken = await cloud.request('GET', '/v3/users/%zz', { token: admin });
    expect({ status: broken.status, code: broken.body.error.code }).toEqual({ status: 400, code: 400 });
    expect(broken.headers.get('x-openstack-request-id')).toMatch(/^req-/);
    const long = encodeURIComponent('\u{1F600}'.repeat(255));
    expect((await cloud.request('GET', `/v3/users/${long}`, { token: admin })).body.error.message).toMatch(/^Could not find user: /);
    expect((await cloud.request('GET', `/v3/users/${'a'.repeat(5000)}`, { token: admin })).status).toBe(404);
    expect((await cloud.request('GET', '/v3/users/..%2f..%2fetc', { token: admin })).body.error.message).toBe('Could not find user: ../../etc.');
  });

  test('a request that is called JSON and has no body has none; other kinds of body are refused', async () => {
    const { project, sub } = readClaims(admin);
    const { id } = (await cloud.request('GET', '/v3/roles?name=service', { token: admin })).body.roles[0];
    for (const method of ['PUT', 'DELETE']) {
      const answer = await cloud.request(method, `/v3/projects/${project!.id}/users/${sub}/roles/${id}`, { token: admin, headers: { 'content-type': 'application/json' } });
      expect({ method, status: answer.status }).toEqual({ method, status: 204 });
      // Taking a role voids the token that did it.
      if (method === 'DELETE') admin = await cloud.admin();
    }
    expect((await cloud.request('POST', '/v3/auth/tokens', { raw: '', headers: { 'content-type': 'application/json' } })).status).toBe(400);
    for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'application/xml']) {
      const answer = await cloud.request('POST', '/v3/auth/tokens', { raw: '{"auth":{}}', headers: { 'content-type': type } });
      expect({ type, status: answer.status, code: answer.body.error.code }).toEqual({ type, status: 415, code: 415 });
    }
  });

  test('double slashes are one, also before resources', async () => {
    expect((await cloud.request('GET', '//v3//users', { token: admin })).status).toBe(200);
  });

  test('without a token 401, with a wrong one 401, without the role 403', async () => {
    const bare = await cloud.request('GET', '/v3/users');
    expect(bare.status).toBe(401);
    expect(bare.headers.get('www-authenticate')).toBe('Keystone uri="http://127.0.0.1:5000/v3"');
    expect((await cloud.request('GET', '/v3/users', { token: 'x.y.z' })).status).toBe(401);
    const demo = await cloud.request('GET', '/v3/users', { token: await cloud.demo() });
    expect(demo.status).toBe(403);
    expect(demo.body).toEqual({ error: { code: 403, message: 'You are not authorized to perform the requested action: identity:list_users.', title: 'Forbidden' } });
  });

  test('every route but the public three refuses a stranger', async () => {
    const routes: [string, string][] = [
      ['GET', 'auth/tokens'], ['DELETE', 'auth/tokens'], ['GET', 'auth/projects'], ['GET', 'auth/domains'], ['GET', 'auth/system'], ['GET', 'auth/catalog'],
      ...['domains', 'projects', 'users', 'groups', 'roles', 'regions', 'services', 'endpoints'].flatMap((name): [string, string][] => [
        ['GET', name], ['POST', name], ['GET', `${name}/x`], ['PATCH', `${name}/x`], ['DELETE', `${name}/x`]]),
      ['GET', 'role_assignments'], ['GET', 'role_inferences'], ['PUT', 'projects/p/users/u/roles/r'], ['DELETE', 'system/users/u/roles/r'], ['GET', 'OS-INHERIT/domains/d/groups/g/roles/inherited_to_projects'],
      ['GET', 'users/u/application_credentials'], ['POST', 'users/u/application_credentials'], ['GET', 'users/u/groups'], ['PUT', 'projects/p/tags/t'], ['PUT', 'roles/a/implies/b'],
    ];
    for (const [method, path] of routes) {
      const { status } = await cloud.request(method, `/v3/${path}`, method === 'GET' ? {} : { body: {} });
      expect({ method, path, status }).toEqual({ method, path, status: 401 });
    }
  });

  test('a NUL in a path is a name that nobody has', async () => {
    expect((await cloud.request('GET', '/v3/users/a%00b', { token: admin })).status).toBe(404);
    expect((await cloud.request('GET', '/v3/users?name=a%00b', { token: admin })).body.users).toEqual([]);
  });

  test('a Host that is none does not get into links', async () => {
    const { body } = await cloud.request('GET', '/v3', { headers: { 'x-forwarded-host': 'evil"<script>' } });
    expect(body.version.links[0].href).toBe(`${cloud.url}/v3/`);
    const proxied = await cloud.request('GET', '/v3', { headers: { 'x-forwarded-host': 'cloud.example', 'x-forwarded-proto': 'https' } });
    expect(proxied.body.version.links[0].href).toBe('https://cloud.example/v3/');
  });

  test('another service verifies tokens offline and hears of revocations', async () => {
    const bus = new MemoryBus(cloud.broker, 'network');
    const verifier = await TokenVerifier.overBus(bus, silentLogger);
    const token = await cloud.demo();
    expect(await verifier.verify(token)).toMatchObject({ user: { name: 'demo' }, project: { name: 'demo' } });
    const heard = new Promise<unknown>((resolve) => { void bus.subscribe(REVOCATION_TOPIC, resolve); });
    await cloud.request('DELETE', '/v3/auth/tokens', { token, headers: { 'x-subject-token': token } });
    expect(await heard).toMatchObject({ auditId: expect.any(String), issuedBefore: expect.any(Number) });
    await expect(verifier.verify(token)).rejects.toMatchObject({ status: 401 });
    // One that starts later reads it.
    const late = await TokenVerifier.overBus(bus, silentLogger);
    await expect(late.verify(token)).rejects.toMatchObject({ status: 401 });
    expect((await bus.client(identityContract).signingKeys({})).keys[0]!.publicKeyPem).toMatch(/^-----BEGIN PUBLIC KEY-----/);
    await bus.close();
  });

  test('private keys are not in the database in the clear', async () => {
    const rows = await cloud.db.selectFrom('signing_keys').selectAll().execute();
    expect(JSON.stringify(rows)).not.toContain('PRIVATE');
    for (const row of rows) expect(Buffer.from(row.private_sealed, 'base64').toString('latin1')).not.toContain('PRIVATE');
  });
});
