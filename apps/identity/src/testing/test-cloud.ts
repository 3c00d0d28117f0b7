import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AddressInfo } from 'node:net';
import { silentLogger } from '@virga/core';
import { createDatabase, migrate } from '@virga/db';
import { MemoryBroker, MemoryBus } from '@virga/rpc';
import { startMariaDb, type TestMariaDb } from '@virga/testing';
import { bootstrap } from '../bootstrap/bootstrap';
import type { BootstrapDocument } from '../bootstrap/bootstrap-document';
import { migrations } from '../db/migrations';
import type { Db, IdentitySchema } from '../db/tables';
import { serveIdentity, type RunningIdentity } from '../serve';
import type { TokenFormatName } from '../tokens/token-format';
import { readKeyFile } from '../tokens/sealed';

export const PASSWORDS = { admin: 'admin-pässword', demo: 'demo secret', nova: 'nova secret' };

export const DOCUMENT: BootstrapDocument = {
  admin: { password: PASSWORDS.admin },
  demo: { password: PASSWORDS.demo },
  region: 'RegionOne',
  services: [
    { type: 'identity', name: 'keystone', endpoints: { public: 'http://127.0.0.1:5000/v3', internal: 'http://127.0.0.1:5000/v3', admin: 'http://127.0.0.1:5000/v3' } },
    { type: 'compute', name: 'nova', endpoints: { public: 'http://127.0.0.1:8774/v2.1' } },
  ],
  serviceUsers: [{ name: 'nova', password: PASSWORDS.nova }],
};

export interface Answer {
  status: number;
  headers: Headers;
  /** Parsed when it is JSON, else the text. */
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any
}

export interface TestCloud {
  url: string;
  db: Db;
  identity: RunningIdentity;
  broker: MemoryBroker;
  sealKey: Buffer;
  request(method: string, path: string, options?: { token?: string; body?: unknown; raw?: string; headers?: Record<string, string> }): Promise<Answer>;
  /** Logs in and returns the token; throws when refused. */
  login(user: string, password: string, scope?: unknown): Promise<string>;
  admin(): Promise<string>;
  demo(): Promise<string>;
  stop(): Promise<void>;
}

/** A bootstrapped identity on a real MariaDB, reached over real HTTP. */
export async function startTestCloud(schema: string, server?: TestMariaDb, tokenFormat: TokenFormatName = 'jws'): Promise<TestCloud> {
  const maria = server ?? await startMariaDb();
  const db = createDatabase<IdentitySchema>({ url: await maria.createSchema(schema) });
  await migrate(db, migrations);
  await bootstrap(db, DOCUMENT, 3600);
  const dir = mkdtempSync(join(tmpdir(), 'virga-identity-'));
  const sealKey = readKeyFile(join(dir, 'key'));
  const broker = new MemoryBroker();
  const bus = new MemoryBus(broker, 'identity');
  const identity = await serveIdentity({ db, bus, logger: silentLogger, settings: { tokenSeconds: 3600, listLimit: 1000, tokenFormat }, sealKey, publicUrl: 'http://127.0.0.1:5000' });
  await identity.app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(identity.app.getHttpServer().address() as AddressInfo).port}`;

  const request: TestCloud['request'] = async (method, path, { token, body, raw, headers = {} } = {}) => {
    const sent = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { ...(sent !== undefined && { 'content-type': 'application/json' }), ...(token && { 'x-auth-token': token }), ...headers },
      ...(sent !== undefined && { body: sent }),
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json') && text !== '';
    return { status: response.status, headers: response.headers, body: json ? JSON.parse(text) as unknown : text };
  };
  const login: TestCloud['login'] = async (user, password, scope) => {
    const answer = await request('POST', '/v3/auth/tokens', { body: passwordLogin(user, password, scope) });
    if (answer.status !== 201) throw new Error(`login of ${user}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.headers.get('x-subject-token')!;
  };
  return {
    url, db, identity, broker, sealKey, request, login,
    admin: () => login('admin', PASSWORDS.admin, projectScope('admin')),
    demo: () => login('demo', PASSWORDS.demo, projectScope('demo')),
    stop: async () => {
      await identity.stop();
      await bus.close();
      await db.destroy();
      rmSync(dir, { recursive: true });
    },
  };
}

export const projectScope = (name: string) => ({ project: { name, domain: { id: 'default' } } });

export const passwordLogin = (user: string, password: string, scope?: unknown) => ({
  auth: {
    identity: { methods: ['password'], password: { user: { name: user, domain: { id: 'default' }, password } } },
    ...(scope !== undefined && { scope }),
  },
});
