import { pause, startOwnMariaDb, type OwnMariaDb } from '@virga/testing';
import { PASSWORDS, passwordLogin, projectScope, startTestCloud, type TestCloud } from './testing/test-cloud';

describe('identity when its database dies', () => {
  let maria: OwnMariaDb;
  let cloud: TestCloud;
  beforeAll(async () => {
    maria = await startOwnMariaDb();
    cloud = await startTestCloud('identity_resilience', maria);
  });
  afterAll(async () => {
    await cloud.stop();
    await maria.stop();
  });

  const login = () => cloud.request('POST', '/v3/auth/tokens', { body: passwordLogin('admin', PASSWORDS.admin, projectScope('admin')) });

  test('it says so without showing its inside, keeps refusing what it must, and goes on when the database is back', async () => {
    const admin = await cloud.admin();
    const revoked = await cloud.demo();
    expect((await cloud.request('DELETE', '/v3/auth/tokens', { token: admin, headers: { 'x-subject-token': revoked } })).status).toBe(204);
    await maria.kill();
    for (const answer of await Promise.all([login(), cloud.request('GET', '/v3/users', { token: admin }), cloud.request('POST', '/v3/projects', { token: admin, body: { project: { name: 'lost' } } })])) {
      expect(answer.status).toBe(500);
      expect(answer.body).toEqual({ error: { code: 500, message: 'An unexpected error prevented the server from fulfilling your request.', title: 'Internal Server Error' } });
    }
    expect((await cloud.request('GET', '/v3')).status).toBe(200);
    expect((await cloud.request('GET', '/v3/users', { token: revoked })).status).toBe(401);
    await maria.start();
    let back = await login();
    for (let i = 0; i < 50 && back.status !== 201; i++) { await pause(100); back = await login(); }
    expect(back.status).toBe(201);
    expect((await cloud.request('GET', '/v3/users', { token: admin })).status).toBe(200);
    expect((await cloud.request('GET', '/v3/projects?name=lost', { token: admin })).body.projects).toEqual([]);
    expect((await cloud.request('GET', '/v3/users', { token: revoked })).status).toBe(401);
  });
});
