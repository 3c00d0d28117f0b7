import { createHmac, generateKeyPairSync } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { passwordLogin, PASSWORDS, projectScope, startTestCloud, type TestCloud } from '../testing/test-cloud';
import { readClaims } from '../tokens/read-claims';

describe('POST, GET, HEAD and DELETE /v3/auth/tokens', () => {
  let cloud: TestCloud;
  beforeAll(async () => { cloud = await startTestCloud('identity_tokens'); });
  afterAll(() => cloud.stop());

  const UNAUTHORIZED = { error: { code: 401, message: 'The request you have made requires authentication.', title: 'Unauthorized' } };
  const issue = (body: unknown, query = '') => cloud.request('POST', `/v3/auth/tokens${query}`, { body });
  const show = (token: string, subject: string) => cloud.request('GET', '/v3/auth/tokens', { token, headers: { 'x-subject-token': subject } });

  test('a password with a project scope: the token, its body and its catalog', async () => {
    const { status, headers, body } = await issue(passwordLogin('admin', PASSWORDS.admin, projectScope('admin')));
    expect(status).toBe(201);
    expect(headers.get('x-openstack-request-id')).toMatch(/^req-/);
    expect(headers.get('vary')).toBe('X-Auth-Token');
    expect(Object.keys(body.token)).toEqual(['methods', 'user', 'audit_ids', 'expires_at', 'issued_at', 'project', 'is_domain', 'roles', 'catalog']);
    expect(body.token).toMatchObject({
      methods: ['password'],
      user: { name: 'admin', domain: { id: 'default', name: 'Default' }, password_expires_at: null },
      project: { name: 'admin', domain: { id: 'default', name: 'Default' } },
      is_domain: false,
    });
    expect(body.token.roles.map(({ name }: { name: string }) => name).sort()).toEqual(['admin', 'manager', 'member', 'reader']);
    expect(body.token.expires_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/);
    expect(Date.parse(body.token.expires_at) - Date.parse(body.token.issued_at)).toBeGreaterThan(3_590_000);
    const compute = body.token.catalog.find(({ type }: { type: string }) => type === 'compute');
    expect(compute).toMatchObject({ name: 'nova', endpoints: [{ interface: 'public', url: 'http://127.0.0.1:8774/v2.1', region: 'RegionOne', region_id: 'RegionOne' }] });
    const token = headers.get('x-subject-token')!;
    expect(token.length).toBeLessThan(1400);
    expect((await show(token, token)).body).toEqual(body);
  });

  test('a user by id, a project by id and by the name of its domain', async () => {
    const admin = await cloud.admin();
    const { sub, project } = readClaims(admin);
    const byId = await issue({ auth: { identity: { methods: ['password'], password: { user: { id: sub, password: PASSWORDS.admin } } }, scope: { project: { id: project!.id } } } });
    expect(byId.body.token.project.id).toBe(project!.id);
    const byName = await issue({
      auth: {
        identity: { methods: ['password'], password: { user: { name: 'admin', domain: { name: 'Default' }, password: PASSWORDS.admin } } },
        scope: { project: { name: 'admin', domain: { name: 'Default' } } },
      },
    });
    expect(byName.body.token.project.id).toBe(project!.id);
  });

  test('unscoped, system and ?nocatalog', async () => {
    const unscoped = await issue(passwordLogin('admin', PASSWORDS.admin));
    expect(Object.keys(unscoped.body.token)).toEqual(['methods', 'user', 'audit_ids', 'expires_at', 'issued_at']);
    const system = await issue(passwordLogin('admin', PASSWORDS.admin, { system: { all: true } }));
    expect(system.body.token.system).toEqual({ all: true });
    expect(system.body.token.roles).toHaveLength(4);
    expect(system.body.token.catalog.length).toBeGreaterThan(0);
    const bare = await issue(passwordLogin('admin', PASSWORDS.admin, projectScope('admin')), '?nocatalog');
    expect(bare.body.token.catalog).toBeUndefined();
  });

  test.each([
    ['wrong password', () => passwordLogin('admin', 'wrong', projectScope('admin'))],
    ['unknown user', () => passwordLogin('nosuch', 'wrong', projectScope('admin'))],
    ['unknown project', () => passwordLogin('admin', PASSWORDS.admin, projectScope('nosuch'))],
    ['project without a role', () => passwordLogin('demo', PASSWORDS.demo, projectScope('admin'))],
    ['system without a role', () => passwordLogin('demo', PASSWORDS.demo, { system: { all: true } })],
    ['domain without a role', () => passwordLogin('demo', PASSWORDS.demo, { domain: { id: 'default' } })],
    ['unknown method', () => ({ auth: { identity: { methods: ['totp'] } } })],
    ['method of the prototype', () => ({ auth: { identity: { methods: ['constructor'] } } })],
    ['no method', () => ({ auth: { identity: { methods: [] } } })],
    ['trust scope', () => passwordLogin('admin', PASSWORDS.admin, { 'OS-TRUST:trust': { id: 'x' } })],
    ['token that is none', () => ({ auth: { identity: { methods: ['token'], token: { id: 'not.a.token' } } } })],
    ['name in an alphabet of its own', () => passwordLogin('админ\u{1F600}', 'пароль', projectScope('admin'))],
  ])('401, always the same: %s', async (_, body) => {
    const { status, headers, body: answer } = await issue(body());
    expect({ status, answer }).toEqual({ status: 401, answer: UNAUTHORIZED });
    expect(headers.get('www-authenticate')).toBe('Keystone uri="http://127.0.0.1:5000/v3"');
    expect(headers.get('x-subject-token')).toBeNull();
  });

  test.each([
    ['no identity', { auth: {} }, /'identity' is a required property/],
    ['no auth', { nothing: 1 }, /'auth' is a required property/],
    ['an array', [], /auth|object/],
    ['wrong type', { auth: { identity: { methods: 'password' } } }, /is not of type 'array'/],
    ['password of a wrong type', passwordLogin('admin', 5 as unknown as string), /is not of type 'string'/],
    ['name without its domain', { auth: { identity: { methods: ['password'], password: { user: { name: 'admin', password: 'x' } } } } }, /Expecting to find domain in user/],
    ['method without its part', { auth: { identity: { methods: ['password'] } } }, /Expecting to find password in identity/],
    ['two scopes', passwordLogin('admin', 'x', { system: { all: true }, domain: { id: 'default' } }), /Expecting to find project, domain/],
    ['overlong password', passwordLogin('admin', 'x'.repeat(4097)), /4096/],
    ['overlong name', passwordLogin('n'.repeat(256), 'x'), /too long/],
  ])('400 with a sentence: %s', async (_, body, sentence) => {
    const answer = await issue(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({ code: 400, title: 'Bad Request' });
    expect(answer.body.error.message).toMatch(sentence);
  });

  test('broken JSON is 400 and a body of 10 MB is 413, both in the envelope', async () => {
    const broken = await cloud.request('POST', '/v3/auth/tokens', { raw: '{"auth": ' });
    expect(broken.status).toBe(400);
    expect(broken.body.error.message).toMatch(/^Expecting to find valid JSON in request body\./);
    const huge = await cloud.request('POST', '/v3/auth/tokens', { body: { auth: { identity: { methods: ['x'.repeat(10 * 1024 * 1024)] } } } });
    expect(huge.status).toBe(413);
    expect(huge.body.error).toMatchObject({ code: 413 });
  });

  test('a token for another scope keeps the end of its life and the trail of its origin', async () => {
    const first = await issue(passwordLogin('admin', PASSWORDS.admin));
    const second = await issue({ auth: { identity: { methods: ['token'], token: { id: first.headers.get('x-subject-token') } }, scope: projectScope('admin') } });
    expect(second.status).toBe(201);
    expect(second.body.token.methods).toEqual(['password', 'token']);
    expect(second.body.token.expires_at).toBe(first.body.token.expires_at);
    expect(second.body.token.audit_ids).toEqual([expect.any(String), first.body.token.audit_ids[0]]);
    const third = await issue({ auth: { identity: { methods: ['token'], token: { id: second.headers.get('x-subject-token') } }, scope: { system: { all: true } } } });
    expect(third.body.token.audit_ids[1]).toBe(first.body.token.audit_ids[0]);
  });

  test('another user\'s token: admins and services may look, others may not', async () => {
    const [admin, demo, nova] = await Promise.all([cloud.admin(), cloud.demo(), cloud.login('nova', PASSWORDS.nova, projectScope('service'))]);
    expect((await show(admin, demo)).status).toBe(200);
    expect((await show(nova, demo)).status).toBe(200);
    expect((await show(demo, demo)).status).toBe(200);
    const refused = await show(demo, admin);
    expect(refused.status).toBe(403);
    expect(refused.body.error.message).toBe('You are not authorized to perform the requested action: identity:validate_token.');
    expect((await show(admin, 'nonsense')).status).toBe(404);
    expect((await cloud.request('GET', '/v3/auth/tokens', { token: admin })).status).toBe(404);
    const head = await cloud.request('HEAD', '/v3/auth/tokens', { token: admin, headers: { 'x-subject-token': demo } });
    expect(head.status).toBe(200);
    expect((await cloud.request('GET', '/v3/auth/tokens', { headers: { 'x-subject-token': demo } })).status).toBe(401);
  });

  test('a revoked token is void at once, here and for whoever listens; the user\'s other tokens are not', async () => {
    const [mine, other] = [await cloud.demo(), await cloud.demo()];
    const derived = await issue({ auth: { identity: { methods: ['token'], token: { id: mine } }, scope: projectScope('demo') } });
    expect((await cloud.request('DELETE', '/v3/auth/tokens', { token: mine, headers: { 'x-subject-token': mine } })).status).toBe(204);
    expect((await show(mine, mine)).status).toBe(401);
    expect((await show(other, mine)).status).toBe(404);
    expect((await show(other, other)).status).toBe(200);
    const child = derived.headers.get('x-subject-token')!;
    expect((await show(child, child)).status).toBe(401);
    expect((await issue({ auth: { identity: { methods: ['token'], token: { id: mine } } } })).status).toBe(401);
  });

  test('forged tokens: none, HMAC with the public key, another key, a changed claim, past its end', async () => {
    const demo = await cloud.demo();
    const admin = readClaims(await cloud.admin());
    const [header, payload, signature] = demo.split('.') as [string, string, string];
    const kid = jwt.decode(demo, { complete: true })!.header.kid!;
    const publicPem = cloud.identity.keys.publicKeys.find((key) => key.kid === kid)!.publicKeyPem;
    const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const raised = encode({ ...readClaims(demo), sub: admin.sub, roles: admin.roles });
    const hmac = (head: string) => `${head}.${raised}.${createHmac('sha256', publicPem).update(`${head}.${raised}`).digest('base64url')}`;
    const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const { signing } = cloud.identity.keys;
    const now = Date.now() / 1000;
    const forged: Record<string, string> = {
      none: `${encode({ alg: 'none', typ: 'JWT', kid })}.${raised}.`,
      'none with a signature': `${encode({ alg: 'none', typ: 'JWT', kid })}.${raised}.${signature}`,
      'HS256 with the public key': hmac(encode({ alg: 'HS256', typ: 'JWT', kid })),
      'changed claims': `${header}.${raised}.${signature}`,
      'no signature': `${header}.${payload}.`,
      'key of a stranger': jwt.sign({ ...admin }, stranger, { algorithm: 'ES256', keyid: kid }),
      'unknown key id': jwt.sign({ ...admin }, stranger, { algorithm: 'ES256', keyid: 'nosuch' }),
      'key in the header': jwt.sign({ ...admin }, stranger, { algorithm: 'ES256', header: { alg: 'ES256', kid, jwk: {} } as never }),
      expired: jwt.sign({ ...admin, iat: now - 20, exp: Math.floor(now) - 10 }, signing.key, { algorithm: 'ES256', keyid: signing.kid }),
      'another issuer': jwt.sign({ ...admin, iss: 'other' }, signing.key, { algorithm: 'ES256', keyid: signing.kid }),
      'too long': `${header}.${'A'.repeat(7200)}.${signature}`,
    };
    const good = await cloud.admin();
    for (const [name, token] of Object.entries(forged)) {
      expect({ name, status: (await cloud.request('GET', '/v3/auth/tokens', { token, headers: { 'x-subject-token': token } })).status }).toEqual({ name, status: 401 });
      expect({ name, status: (await show(good, token)).status }).toEqual({ name, status: 404 });
    }
  });

  test('identity headers of a client count for nothing', async () => {
    const headers = { 'x-roles': 'admin', 'x-user-id': 'admin', 'x-project-id': 'admin', 'x-identity-status': 'Confirmed', 'x-is-admin-project': 'True', 'x-subject-token': await cloud.admin() };
    expect((await cloud.request('GET', '/v3/auth/tokens', { headers })).status).toBe(401);
    expect((await cloud.request('GET', '/v3/auth/tokens', { token: await cloud.demo(), headers })).status).toBe(403);
  });

  test('keys: a new one signs, tokens of the former hold, the former goes when its tokens have expired', async () => {
    const before = await cloud.admin();
    const kid = await cloud.identity.keys.rotate();
    await cloud.identity.refresh();
    const after = await cloud.admin();
    expect(jwt.decode(after, { complete: true })!.header.kid).toBe(kid);
    expect((await show(before, after)).status).toBe(200);
    expect((await show(after, before)).status).toBe(200);
    await cloud.db.updateTable('signing_keys').set({ retired_at: Date.now() - 4_000_000 }).where('kid', '!=', kid).execute();
    await cloud.identity.refresh();
    expect(cloud.identity.keys.publicKeys.map((key) => key.kid)).toEqual([kid]);
  });
});
