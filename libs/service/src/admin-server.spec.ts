import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '@virga/core';
import { AdminServer } from './admin-server';

const dir = mkdtempSync(join(tmpdir(), 'virga-admin-'));
const socketPath = join(dir, 'admin.sock');
const admin = new AdminServer(silentLogger);
beforeAll(() => admin.listen(`unix:${socketPath}`));
afterAll(async () => { await admin.close(); rmSync(dir, { recursive: true }); });

const send = (method: string, path: string, body = '') => new Promise<{ status: number; text: string }>((resolve, reject) => {
  const call = request({ socketPath, method, path }, (response) => {
    let text = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode!, text }));
  });
  call.on('error', reject);
  call.end(body);
});

it('answers what an operator asks, with the body that was sent or none', async () => {
  admin.addPost('/look', async (body) => ({ got: body ?? null }));
  expect(await send('POST', '/look', '{"fix":true}')).toEqual({ status: 200, text: '{"got":{"fix":true}}' });
  expect(await send('POST', '/look')).toEqual({ status: 200, text: '{"got":null}' });
});

it('knows no other paths and methods', async () => {
  expect((await send('POST', '/nothing')).status).toBe(404);
  expect((await send('GET', '/look')).status).toBe(404);
});

it('answers 500 to what fails, to what is no JSON and to what is too large, and goes on', async () => {
  admin.addPost('/fails', () => Promise.reject(new Error('no')));
  expect((await send('POST', '/fails')).status).toBe(500);
  expect((await send('POST', '/look', '{')).status).toBe(500);
  expect((await send('POST', '/look', `"${'x'.repeat(70_000)}"`)).status).toBe(500);
  expect((await send('GET', '/healthz')).status).toBe(200);
});

it('leaves its socket to the process that is there, until it takes over; who leaves takes only what is its own', async () => {
  const path = join(dir, 'relieved.sock');
  const pidOf = (own: AdminServer, mark: string) => own.addPost('/who', async () => mark);
  const ask = () => new Promise<string>((resolve, reject) => {
    request({ socketPath: path, method: 'POST', path: '/who', agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve(text));
    }).on('error', reject).end();
  });
  const old = new AdminServer(silentLogger);
  pidOf(old, 'old');
  await old.listen(`unix:${path}`);
  // What the old process has named after its own PID is not in the way of the new one.
  const real = Object.getOwnPropertyDescriptor(process, 'pid')!;
  Object.defineProperty(process, 'pid', { ...real, value: process.pid + 1 });
  const young = new AdminServer(silentLogger);
  try {
    pidOf(young, 'young');
    await young.listen(`unix:${path}`);
  } finally {
    Object.defineProperty(process, 'pid', real);
  }
  expect(await ask()).toBe('"old"');
  young.takeOver();
  expect(await ask()).toBe('"young"');
  await old.close();
  expect(await ask()).toBe('"young"');
  await young.close();
  expect(existsSync(path)).toBe(false);
});

it('takes the place of a process that is gone', async () => {
  const path = join(dir, 'stale.sock');
  writeFileSync(path, 'what is left of it');
  const heir = new AdminServer(silentLogger);
  await heir.listen(`unix:${path}`);
  const status = await new Promise<number>((resolve, reject) => request({ socketPath: path, path: '/healthz' }, (response) => { response.resume(); resolve(response.statusCode!); }).on('error', reject).end());
  expect(status).toBe(200);
  await heir.close();
});
