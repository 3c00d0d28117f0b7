import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { freePort, pause, startMariaDb, startRabbit, type TestMariaDb } from '@virga/testing';
import { DOCUMENT, passwordLogin, PASSWORDS, projectScope } from './testing/test-cloud';

const ROOT = join(__dirname, '../../..');
const ENTRY = join(ROOT, 'dist/apps/identity/main.js');

/* The bundled process as an operator runs it, over RabbitMQ. */
describe('the process main.js', () => {
  let dir: string;
  let maria: TestMariaDb;
  let env: Record<string, string>;
  let url: string;
  let server: ChildProcess | undefined;
  let output = '';

  const run = (args: string[], input = '', over: Record<string, string> = {}): Promise<{ code: number | null; out: string }> => new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [ENTRY, ...args], { env: { PATH: process.env['PATH']!, ...env, ...over } });
    let out = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => { out += chunk.toString(); });
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out }));
    child.stdin.end(input);
  });
  const admin = (path: string): Promise<number> => new Promise((resolve) => {
    httpRequest({ socketPath: join(dir, 'admin.sock'), path }, (response) => { response.resume(); resolve(response.statusCode!); }).once('error', () => resolve(0)).end();
  });
  const serve = async (): Promise<void> => {
    output = '';
    server = spawn(process.execPath, [ENTRY], { env: { PATH: process.env['PATH']!, ...env } });
    for (const stream of [server.stdout!, server.stderr!]) stream.on('data', (chunk: Buffer) => { output += chunk.toString(); });
    for (let i = 0; i < 300 && server.exitCode === null && (await admin('/readyz')) !== 200; i++) await pause(100);
    if (server.exitCode !== null) throw new Error(`identity ended: ${output}`);
  };
  const stop = (): Promise<number | null> => new Promise((resolve) => { server!.once('close', resolve); server!.kill('SIGTERM'); });
  const login = async (password: string): Promise<string | undefined> => {
    const response = await fetch(`${url}/v3/auth/tokens`, {
      method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(passwordLogin('admin', password, projectScope('admin'))),
    });
    return response.status === 201 ? response.headers.get('x-subject-token')! : undefined;
  };
  const holds = async (token: string): Promise<boolean> => (await fetch(`${url}/v3/users`, { headers: { 'x-auth-token': token } })).status === 200;
  const kidOf = (token: string) => jwt.decode(token, { complete: true })!.header.kid;

  beforeAll(async () => {
    execFileSync(process.execPath, ['tools/build.mjs', 'identity'], { cwd: ROOT });
    dir = mkdtempSync(join(tmpdir(), 'virga-identity-main-'));
    maria = await startMariaDb();
    const rabbit = await startRabbit();
    const port = await freePort(21200, 21299);
    url = `http://127.0.0.1:${port}`;
    env = {
      VIRGA_DB_URL: await maria.createSchema('identity_main'), VIRGA_AMQP_URL: await rabbit.addUser('identity'), VIRGA_IDENTITY_KEY_FILE: join(dir, 'secrets/key'),
      VIRGA_LISTEN: `127.0.0.1:${port}`, VIRGA_ADMIN_LISTEN: `unix:${join(dir, 'admin.sock')}`,
    };
  });
  afterAll(() => {
    server?.kill('SIGKILL');
    rmSync(dir, { recursive: true });
  });

  test('says what is missing and starts nothing: no database, no schema, an unknown command, a wrong document', async () => {
    const missing = await run(['serve'], '', { VIRGA_DB_URL: undefined as unknown as string });
    expect(missing).toMatchObject({ code: 1, out: expect.stringContaining('VIRGA_DB_URL') });
    expect(await run(['serve'])).toMatchObject({ code: 1, out: expect.stringContaining('run: main.js migrate') });
    expect(await run(['constructor'])).toMatchObject({ code: 1, out: expect.stringContaining('unknown command') });
    const wrong = await run(['bootstrap'], JSON.stringify({ ...DOCUMENT, admin: { password: 'hush', extra: 'hush' } }));
    expect(wrong).toMatchObject({ code: 1, out: expect.stringContaining('admin') });
    expect(wrong.out).not.toContain('hush');
  });

  test('migrate and bootstrap may be repeated; a new password is set and voids tokens', async () => {
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: expect.stringContaining('20261120_0001_identity') });
    expect(await run(['migrate'])).toMatchObject({ code: 0, out: expect.stringContaining('"applied":[]') });
    expect(await run(['bootstrap'], JSON.stringify(DOCUMENT))).toMatchObject({ code: 0, out: expect.stringContaining('"users":3') });
    const again = await run(['bootstrap'], JSON.stringify(DOCUMENT));
    expect(again).toMatchObject({ code: 0, out: expect.stringContaining('"made":{}') });
    await serve();
    const token = (await login(PASSWORDS.admin))!;
    expect(await holds(token)).toBe(true);
    expect(await run(['bootstrap'], JSON.stringify({ ...DOCUMENT, admin: { password: 'changed' } }))).toMatchObject({ code: 0, out: expect.stringContaining('"passwords":1') });
    expect(await login(PASSWORDS.admin)).toBeUndefined();
    expect(await login('changed')).toBeDefined();
    for (let i = 0; i < 100 && await holds(token); i++) await pause(50);
    expect(await holds(token)).toBe(false);
    expect(await run(['bootstrap'], JSON.stringify(DOCUMENT))).toMatchObject({ code: 0 });
  });

  test('health and metrics are apart from the API, and the socket is its owner\'s', async () => {
    expect([await admin('/healthz'), await admin('/readyz'), await admin('/metrics')]).toEqual([200, 200, 200]);
    expect((await fetch(`${url}/metrics`)).status).toBe(404);
    expect(statSync(join(dir, 'admin.sock')).mode & 0o777).toBe(0o600);
    expect(statSync(env['VIRGA_IDENTITY_KEY_FILE']!).mode & 0o777).toBe(0o600);
  });

  test('nothing secret is in the log', () => {
    const secrets = [...Object.values(PASSWORDS), 'changed', readFileSync(env['VIRGA_IDENTITY_KEY_FILE']!, 'utf8').trim(), 'eyJ', 'PRIVATE', '$scrypt'];
    expect(output.split('\n').length).toBeGreaterThan(5);
    for (const secret of secrets) expect(output).not.toContain(secret);
  });

  test('tokens outlive a restart; rotated keys too, dropped ones do not', async () => {
    const before = (await login(PASSWORDS.admin))!;
    expect(await run(['rotate-keys'])).toMatchObject({ code: 0 });
    expect(await stop()).toBe(0);
    await serve();
    const after = (await login(PASSWORDS.admin))!;
    expect(kidOf(after)).not.toBe(kidOf(before));
    expect([await holds(before), await holds(after)]).toEqual([true, true]);
    expect(await run(['rotate-keys', '--drop-former'])).toMatchObject({ code: 0 });
    expect(await stop()).toBe(0);
    await serve();
    expect([await holds(before), await holds(after), await holds((await login(PASSWORDS.admin))!)]).toEqual([false, false, true]);
  });

  test('a key file that others may read, or of another cloud, is refused with a way out', async () => {
    expect(await stop()).toBe(0);
    chmodSync(env['VIRGA_IDENTITY_KEY_FILE']!, 0o644);
    expect(await run(['serve'])).toMatchObject({ code: 1, out: expect.stringContaining('chmod 600') });
    chmodSync(env['VIRGA_IDENTITY_KEY_FILE']!, 0o600);
    const other = { VIRGA_IDENTITY_KEY_FILE: join(dir, 'other') };
    expect(await run(['serve'], '', other)).toMatchObject({ code: 1, out: expect.stringContaining('rotate-keys') });
    expect(await run(['rotate-keys'], '', other)).toMatchObject({ code: 0 });
    env = { ...env, ...other };
    await serve();
    expect(await login(PASSWORDS.admin)).toBeDefined();
    expect(await stop()).toBe(0);
    server = undefined;
  });
});
