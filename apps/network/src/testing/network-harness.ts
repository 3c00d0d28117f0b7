import type { FastifyInstance } from 'fastify';
import { networkContract } from '@virga/contracts';
import { createLogger, newHexId } from '@virga/core';
import { createDatabase, migrate, sql, type Kysely } from '@virga/db';
import { MemoryBus, type Client } from '@virga/rpc';
import { pause, startMariaDb, startOvnCentral, testIdentity, type TestIdentity, type TestOvnCentral } from '@virga/testing';
import { migrations } from '../db/migrations';
import type { NetworkSchema } from '../db/tables';
import { createNetworkApp, type NetworkApp } from '../network.app';
import { connectNorthbound, connectSouthbound } from '../ovn/northbound';

// eslint-disable-next-line @typescript-eslint/no-explicit-any
export interface Answer { status: number; headers: Record<string, unknown>; body: any }

/** A user of the API: sends requests with a token of one project. */
export class ApiUser {
  constructor(readonly fastify: FastifyInstance, readonly token: string | undefined, readonly projectId: string) {}

  async send(method: 'GET' | 'POST' | 'PUT' | 'DELETE', path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await this.fastify.inject({
      method, url: path, headers: { ...(this.token !== undefined && { 'x-auth-token': this.token }), ...headers },
      ...(body === undefined ? {} : typeof body === 'string' ? { payload: body, headers: { 'content-type': 'application/json', ...(this.token !== undefined && { 'x-auth-token': this.token }) } } : { payload: body as object }),
    });
    return { status: response.statusCode, headers: response.headers, body: response.body === '' ? undefined : JSON.parse(response.body) };
  }

  get = (path: string) => this.send('GET', `/v2.0/${path}`);
  post = (path: string, body: unknown) => this.send('POST', `/v2.0/${path}`, body);
  put = (path: string, body: unknown) => this.send('PUT', `/v2.0/${path}`, body);
  delete = (path: string) => this.send('DELETE', `/v2.0/${path}`);

  /** Makes a resource; throws unless the answer is 201. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  async make(path: string, singular: string, attributes: Record<string, unknown> = {}): Promise<any> {
    const answer = await this.post(path, { [singular]: attributes });
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body[singular];
  }
}

async function startApp(db: Kysely<NetworkSchema>, ovn: TestOvnCentral, identity: TestIdentity): Promise<{ app: NetworkApp; bus: MemoryBus; stop(): Promise<void> }> {
  const logger = createLogger('network', process.env['VIRGA_TEST_LOG'] ?? 'error');
  const nb = connectNorthbound([ovn.northbound], logger);
  const sb = connectSouthbound([ovn.southbound], logger);
  await Promise.all([nb.connect(), sb.connect()]);
  const bus = new MemoryBus();
  const app = await createNetworkApp({
    db, bus, nb, sb, logger, identityUrl: 'http://127.0.0.1:5000',
    settings: { physicalNetworks: ['physnet1'], underlayMtu: 1500, availabilityZone: 'nova' },
    writer: { pollMs: 200, reconcileMs: 3_600_000 },
    verifyToken: (token) => identity.verifier.verify(token),
  });
  await app.start();
  await app.http.init();
  await (app.http.getHttpAdapter().getInstance() as unknown as FastifyInstance).ready();
  return { app, bus, stop: async () => { await app.stop(); await bus.close(); await nb.close(); await sb.close(); } };
}

/** The network service over a real MariaDB and real OVN databases, with tokens of its own. */
export class NetworkHarness {
  private constructor(
    readonly db: Kysely<NetworkSchema>, readonly ovn: TestOvnCentral, readonly app: NetworkApp, readonly identity: TestIdentity,
    readonly client: Client<typeof networkContract>, private readonly closers: (() => Promise<unknown>)[],
  ) {}

  static async start(schema: string): Promise<NetworkHarness> {
    const mariadb = await startMariaDb();
    const db = createDatabase<NetworkSchema>({ url: await mariadb.createSchema(schema), poolSize: 24 });
    await migrate(db, migrations);
    const ovn = await startOvnCentral();
    const identity = await testIdentity();
    const { app, bus, stop } = await startApp(db, ovn, identity);
    return new NetworkHarness(db, ovn, app, identity, bus.client(networkContract), [stop, () => ovn.stop(), () => db.destroy()]);
  }

  /** One more process of the service, on the same databases. */
  another(): Promise<{ app: NetworkApp; stop(): Promise<void> }> {
    return startApp(this.db, this.ovn, this.identity);
  }

  user(spec: { projectId?: string; roles?: string[] } = {}): ApiUser {
    const projectId = spec.projectId ?? newHexId();
    return new ApiUser(this.app.http.getHttpAdapter().getInstance() as unknown as FastifyInstance, this.identity.sign({ projectId, roles: spec.roles ?? ['member'] }), projectId);
  }

  admin(): ApiUser {
    return this.user({ roles: ['admin'] });
  }

  anonymous(): ApiUser {
    return new ApiUser(this.app.http.getHttpAdapter().getInstance() as unknown as FastifyInstance, undefined, '');
  }

  /** Resolves when every queued change has been written to the northbound database. */
  async written(): Promise<void> {
    await this.until('the queue is empty', async () => (await this.db.selectFrom('ovn_sync').select('seq').limit(1).execute()).length === 0);
  }

  /** What compute sees of the security groups of an instance. */
  async groupNames(instanceId: string): Promise<string[]> {
    const { rows } = await sql<{ name: string }>`SELECT DISTINCT name FROM server_security_groups WHERE instance_id = ${instanceId} ORDER BY name`.execute(this.db);
    return rows.map(({ name }) => name);
  }

  async until(what: string, probe: () => Promise<boolean>): Promise<void> {
    for (const deadline = Date.now() + 30_000; Date.now() < deadline; await pause(20)) if (await probe()) return;
    throw new Error(`${what}: did not come true`);
  }

  async stop(): Promise<void> {
    for (const close of this.closers) await close();
  }
}
