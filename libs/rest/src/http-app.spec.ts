import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { Controller, Get, Module, Post } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Type } from '@sinclair/typebox';
import { noteAccepted, silentLogger, unauthorized, type Logger, type RequestContext } from '@virga/core';
import { Authorize, Caller, Public, ValidBody } from './decorators';
import { createHttpApp } from './http-app';
import { adminOrMember, admin } from './policy';
import { version } from './microversion';

const Body = Type.Object({ thing: Type.Object({ name: Type.String({ minLength: 1, maxLength: 5 }) }, { additionalProperties: false }) }, { additionalProperties: false });

@Controller()
class ThingsController {
  @Get('v2.1/things') @Authorize('things:list')
  list(@Caller() caller: RequestContext) { return { user: caller.user.id }; }
  @Post('v2.1/things') @Authorize('things:create')
  create(@ValidBody(Body) body: { thing: { name: string } }) { return body; }
  @Post('v2.1/things/work') @Authorize('things:list')
  async work() {
    await Promise.resolve();
    // As a transaction that is run again does it.
    for (const operationId of ['o0', 'o1']) noteAccepted({ kind: 'build-instance', operationId, instanceId: 'i1' });
    noteAccepted({ kind: 'build-instance', operationId: 'o2', instanceId: 'i2' });
    return {};
  }
  @Get('v2.1/forgotten')
  forgotten() { return {}; }
  @Get() @Public()
  versions() { return { versions: [] }; }
  @Get('v2.1/broken') @Authorize('things:list')
  broken() { throw new Error('secret inside'); }
  @Get('v2.1/unparsable') @Authorize('things:list')
  unparsable() { return JSON.parse('{') as object; }
}
@Module({ controllers: [ThingsController] })
class ThingsModule {}

const caller = (roleNames: string[]): RequestContext => ({
  requestId: '', user: { id: 'u1', name: 'u', domain: { id: 'default', name: 'Default' } },
  project: { id: 'p1', name: 'p', domain: { id: 'default', name: 'Default' } },
  system: false, roles: [], roleNames: new Set(roleNames), auditIds: ['a'], issuedAt: 0, expiresAt: Number.MAX_SAFE_INTEGER, token: 't',
});

describe('the HTTP edge', () => {
  let app: NestFastifyApplication;
  const lines: Record<string, unknown>[] = [];
  const logger = { ...silentLogger, error: () => undefined, info: (fields: Record<string, unknown>) => { lines.push(fields); } } as unknown as Logger;
  const inject = (method: 'GET' | 'POST' | 'PUT', url: string, headers: Record<string, string> = {}, payload?: string) =>
    app.getHttpAdapter().getInstance().inject({ method, url, headers, payload });

  beforeAll(async () => {
    app = await createHttpApp(ThingsModule, {
      service: 'compute', identityUrl: 'http://id', logger,
      policies: { 'things:list': { check: adminOrMember, description: '' }, 'things:create': { check: admin, description: '' } },
      verifyToken: (token) => (token === 'bad' ? Promise.reject(unauthorized('no')) : Promise.resolve(caller(token.split(',')))),
      microversions: { service: 'compute', legacyHeader: 'X-OpenStack-Nova-API-Version', minimum: version('2.1'), maximum: version('2.96') },
      isUnversioned: (path) => path === '/',
    });
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });
  afterAll(() => app.close());

  it('logs each request with its id and what it has set going, and nothing of that for others', async () => {
    lines.length = 0;
    const answer = await inject('POST', '/v2.1/things/work', { 'x-auth-token': 'member' });
    await inject('GET', '/v2.1/things', { 'x-auth-token': 'member' });
    expect(lines).toEqual([
      expect.objectContaining({
        requestId: answer.headers['x-openstack-request-id'], method: 'POST', path: '/v2.1/things/work', status: 201,
        accepted: [{ kind: 'build-instance', operationId: 'o1', instanceId: 'i1' }, { kind: 'build-instance', operationId: 'o2', instanceId: 'i2' }],
      }),
      expect.not.objectContaining({ accepted: expect.anything() }),
    ]);
  });

  it('answers 401 in the middleware envelope without a token and with a bad one', async () => {
    for (const headers of [{}, { 'x-auth-token': 'bad' }] as Record<string, string>[]) {
      const answer = await inject('GET', '/v2.1/things', headers);
      expect(answer.statusCode).toBe(401);
      expect(answer.headers['www-authenticate']).toBe('Keystone uri="http://id"');
      expect(answer.json()).toEqual({ error: { code: 401, title: 'Unauthorized', message: 'The request you have made requires authentication.' } });
    }
  });

  it('takes identity from the token alone', async () => {
    const answer = await inject('GET', '/v2.1/things', { 'x-user-id': 'root', 'x-roles': 'admin', 'x-project-id': 'other' });
    expect(answer.statusCode).toBe(401);
    const own = await inject('GET', '//v2.1//things', { 'x-auth-token': 'member', 'x-user-id': 'root' });
    expect(own.json()).toEqual({ user: 'u1' });
  });

  it('refuses by policy with the rule in the sentence', async () => {
    const answer = await inject('POST', '/v2.1/things', { 'x-auth-token': 'member', 'content-type': 'application/json' }, '{}');
    expect(answer.statusCode).toBe(403);
    expect(answer.json()).toEqual({ forbidden: { code: 403, message: "Policy doesn't allow things:create to be performed." } });
  });

  it('fails closed on a route without a rule', async () => {
    expect((await inject('GET', '/v2.1/forgotten', { 'x-auth-token': 'admin' })).statusCode).toBe(500);
  });

  it('names the wrong field of a body', async () => {
    const post = (payload: string) => inject('POST', '/v2.1/things', { 'x-auth-token': 'admin', 'content-type': 'application/json' }, payload);
    expect((await post('{"thing": {"name": "ok"}}')).statusCode).toBe(201);
    expect((await post('{"thing": {"name": 5}}')).json()).toEqual({ badRequest: { code: 400, message: "Invalid input for field/attribute name. Value: 5. 5 is not of type 'string'" } });
    expect((await post('{"thing": {}}')).json()).toEqual({ badRequest: { code: 400, message: "Invalid input for field/attribute thing. Value: {}. 'name' is a required property" } });
    expect((await post('{"thing": {"name": "a", "x": 1}}')).json()).toEqual({ badRequest: { code: 400, message: "Invalid input for field/attribute thing. Value: {'name': 'a', 'x': 1}. Additional properties are not allowed ('x' was unexpected)" } });
  });

  it.each([['{"thing": '], ['{"__proto__": {"a": 1}}'], ['nonsense'], ['{"thing": {"name": "\\ud800"}}'], ['{"\\uDFFF": 1}']])('answers 400 to the broken body %s', async (payload) => {
    const answer = await inject('POST', '/v2.1/things', { 'x-auth-token': 'admin', 'content-type': 'application/json' }, payload);
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toHaveProperty('badRequest.code', 400);
  });

  it('answers 413 to a body over the limit and 415 to another content type', async () => {
    expect((await inject('POST', '/v2.1/things', { 'x-auth-token': 'admin', 'content-type': 'application/json' }, `{"a":"${'x'.repeat(2_000_000)}"}`)).statusCode).toBe(413);
    expect((await inject('POST', '/v2.1/things', { 'x-auth-token': 'admin', 'content-type': 'text/xml' }, '<a/>')).statusCode).toBe(415);
  });

  it('keeps internals inside', async () => {
    const answer = await inject('GET', '/v2.1/broken', { 'x-auth-token': 'admin' });
    expect(answer.statusCode).toBe(500);
    // What a handler cannot parse is its own fault and not the client's.
    expect((await inject('GET', '/v2.1/unparsable', { 'x-auth-token': 'admin' })).statusCode).toBe(500);
    expect(answer.body).not.toContain('secret');
  });

  it('answers unknown paths like compute does', async () => {
    const answer = await inject('PUT', '/v2.1/things', { 'x-auth-token': 'admin' });
    expect(answer.statusCode).toBe(404);
    expect(answer.json()).toEqual({ message: 'The resource could not be found.<br /><br />\n\n\n', code: '404 Not Found', title: 'Not Found' });
    expect((await inject('GET', '/nosuch')).statusCode).toBe(401);
  });

  it('tells its request id to what never came to a handler', async () => {
    for (const [method, url] of [['TRACE', '/v2.1/things/%ff'], ['TRACE', '/v2.1/things'], ['GET', '/v2.1/things/%ff'], ['PATCH', '/%']] as const) {
      const answer = await app.getHttpAdapter().getInstance().inject({ method: method as 'GET', url });
      expect([method, url, typeof answer.headers['x-openstack-request-id'], answer.statusCode < 500]).toEqual([method, url, 'string', true]);
    }
  });

  it('negotiates microversions by either header', async () => {
    const get = (headers: Record<string, string>) => inject('GET', '/v2.1/things', { 'x-auth-token': 'admin', ...headers });
    expect((await get({ 'openstack-api-version': 'compute 2.53' })).headers['x-openstack-nova-api-version']).toBe('2.53');
    expect((await get({ 'x-openstack-nova-api-version': 'latest' })).headers['openstack-api-version']).toBe('compute 2.96');
    expect((await get({})).headers['openstack-api-version']).toBe('compute 2.1');
    const tooNew = await get({ 'openstack-api-version': 'compute 2.999' });
    expect([tooNew.statusCode, tooNew.headers['openstack-api-version']]).toEqual([406, 'compute 2.999']);
    expect(tooNew.json()).toEqual({ computeFault: { code: 406, message: 'Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.96.' } });
    expect((await get({ 'openstack-api-version': 'compute abc' })).statusCode).toBe(400);
    expect((await inject('GET', '/', { 'openstack-api-version': 'compute abc' })).statusCode).toBe(200);
  });

  it('answers a verb that no program knows in its own envelope', async () => {
    await app.listen(0, '127.0.0.1');
    const socket = connect(Number(new URL(await app.getUrl()).port), '127.0.0.1');
    socket.write('FOO /v2.1/things HTTP/1.1\r\nHost: x\r\n\r\n');
    expect(await text(socket)).toMatch(/^HTTP\/1.1 501 Not Implemented\r\n[^]*{"notImplemented":{"code":501,/);
  });
});
