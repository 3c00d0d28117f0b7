import { mkdtempSync, rmSync } from 'node:fs';
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
