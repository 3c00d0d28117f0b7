import { newHexId, silentLogger, createLogger } from '@virga/core';
import { createDatabase, migrate, OutboxRelay, sql, type Kysely } from '@virga/db';
import { MemoryBroker } from '@virga/rpc';
import { createNetworkViews, FakeAgent, FakeImages, FakeNetwork, FakePlacement, startMariaDb, testIdentity, type Behaviour, type TestTokenSpec } from '@virga/testing';
import { createComputeApp } from '../compute-app';
import { Conductor, type ConductorOptions } from '../conductor';
import { computeMigrations } from '../db/migrations';
import type { ComputeDb } from '../db/schema';
import { NeighbourApi } from '../proxies/neighbour-api';
import { startNeighbourApi } from './neighbour-api';
import { outboxPublisher } from '../operations/publish-outbox';

export interface Answer { status: number; body: any; headers: Record<string, string> }
export interface CallOptions { token?: string | null; version?: string; headers?: Record<string, string>; raw?: string }

let labs = 0;

/** Compute over a real database and real HTTP, its neighbours and hosts played by fakes on the memory bus. */
export async function startLab(options: { hosts?: number; conductor?: Partial<ConductorOptions>; withoutConductor?: boolean } = {}) {
  const logger = process.env.STORY_LOG ? createLogger('story', process.env.STORY_LOG) : silentLogger;
  const mariadb = await startMariaDb();
  const schema = `compute_${process.pid}_${++labs}`;
  const db: Kysely<ComputeDb> = createDatabase<ComputeDb>({ url: await mariadb.createSchema(schema) });
  await migrate(db, computeMigrations);
  const views = await createNetworkViews(mariadb, schema);

  const broker = new MemoryBroker({ logger, retryDelayMs: 50 });
  const placement = new FakePlacement();
  const network = new FakeNetwork();
  network.publishGroups = (id, names) => views.setGroups(id, names);
  const images = new FakeImages();
  await placement.serve(broker.connect('scheduler'));
  await network.serve(broker.connect('network'));
  await images.serve(broker.connect('image'));

  const identity = await testIdentity();
  const apiBus = broker.connect('compute-api');
  const relay = new OutboxRelay(db, outboxPublisher(db, apiBus), logger, 200);
  relay.start();
  const [networkApi, imageApi] = [await startNeighbourApi(), await startNeighbourApi()];
  const app = await createComputeApp({
    db, bus: apiBus, logger, apis: { network: new NeighbourApi(networkApi.url), image: new NeighbourApi(imageApi.url) }, wakeRelay: () => relay.wake(), identityUrl: 'http://127.0.0.1:5000',
    settings: { networkSchema: schema, maxLimit: 1000, defaultZone: 'nova', console: { url: 'http://console.test:6080', serialUrl: '', tokenInFragment: false, tokenSeconds: 300 } },
    verifyToken: (token) => identity.verifier.verify(token),
  });
  await app.listen(0, '127.0.0.1');
  const base = (await app.getUrl()).replace('[::1]', '127.0.0.1');

  const conductors: Conductor[] = [];
  const addConductor = async (overrides: Partial<ConductorOptions> = {}): Promise<Conductor> => {
    const conductor = new Conductor({
      db, bus: broker.connect('conductor'), logger, hostname: `conductor-${conductors.length}`, defaultZone: 'nova', leaseMs: 3000, sweepMs: 200, deadHostGraceMs: 500,
      heartbeatIntervalMs: 500, hostLeaseMs: 60_000, ...options.conductor, ...overrides,
    });
    conductors.push(conductor);
    await conductor.start();
    return conductor;
  };
  if (!options.withoutConductor) await addConductor();

  const agents: FakeAgent[] = [];
  const addHost = async (behaviour: Partial<Record<string, Behaviour>> = {}): Promise<FakeAgent> => {
    const hostname = `host${agents.length + 1}`;
    const hostId = placement.addHost(hostname);
    const agent = new FakeAgent(broker.connect(`agent-${hostId}`), hostId, hostname);
    Object.assign(agent.behaviour, behaviour);
    agents.push(agent);
    await agent.start();
    return agent;
  };
  for (let count = 0; count < (options.hosts ?? 1); count++) await addHost();

  const projectId = newHexId();
  const userId = newHexId();
  const tokenFor = (spec: TestTokenSpec = {}) => identity.sign({ projectId, userId, ...spec });
  const member = tokenFor();
  const admin = identity.sign({ roles: ['admin'] });

  async function call(method: string, path: string, body?: unknown, { token = member, version = '2.93', headers = {}, raw }: CallOptions = {}): Promise<Answer> {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await fetch(base + path, {
      method,
      headers: {
        ...(token !== null && { 'x-auth-token': token }), 'openstack-api-version': `compute ${version}`, ...(payload !== undefined && { 'content-type': 'application/json' }), ...headers,
      },
      ...(payload !== undefined && { body: payload }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text), headers: Object.fromEntries(response.headers) };
  }

  const asAdmin = (method: string, path: string, body?: unknown, more: CallOptions = {}) => call(method, path, body, { token: admin, ...more });

  async function makeFlavor(name = 'm1.tiny', more: Record<string, unknown> = {}): Promise<string> {
    const { status, body } = await asAdmin('POST', '/v2.1/flavors', { flavor: { name, ram: 64, vcpus: 1, disk: 1, ...more } });
    if (status !== 200) throw new Error(JSON.stringify(body));
    return body.flavor.id as string;
  }

  /** Waits until `check` holds of the server; the story's own time-out ends a wait in vain. */
  async function until<T>(look: () => Promise<T>, check: (seen: T) => boolean): Promise<T> {
    const end = Date.now() + 60_000;
    for (;;) {
      const seen = await look();
      if (check(seen)) return seen;
      if (Date.now() > end) throw new Error(`waited in vain; last seen: ${JSON.stringify(seen)?.slice(0, 3000)}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  const serverUntil = async (id: string, check: (server: any) => boolean) =>
    (await until(() => asAdmin('GET', `/v2.1/servers/${id}`), ({ status, body }) => status === 200 && check(body.server))).body.server;
  const active = (id: string) => serverUntil(id, ({ status }) => status !== 'BUILD').then((server) => {
    if (server.status !== 'ACTIVE') throw new Error(JSON.stringify(server));
    return server;
  });
  const gone = (id: string) => until(() => asAdmin('GET', `/v2.1/servers/${id}`), ({ status }) => status === 404);

  /** What a project's usage says, and what its rows say: the two must always be equal. */
  async function usage(): Promise<{ booked: any; counted: any }> {
    const booked = await db.selectFrom('quota_usages').select(['instances', 'cores', 'ram']).where('project_id', '=', projectId).executeTakeFirst();
    const { rows: [counted] } = await sql<any>`SELECT CAST(COUNT(*) AS INT) AS instances, CAST(COALESCE(SUM(JSON_VALUE(flavor_json, '$.vcpus') + held_cores), 0) AS INT) AS cores,
      CAST(COALESCE(SUM(JSON_VALUE(flavor_json, '$.ram') + held_ram), 0) AS INT) AS ram FROM instances WHERE project_id = ${projectId} AND deleted_at IS NULL`.execute(db);
    return { booked: booked ?? { instances: 0, cores: 0, ram: 0 }, counted };
  }

  async function stop(): Promise<void> {
    await Promise.all(conductors.map((conductor) => conductor.stop()));
    await app.close();
    await Promise.all([networkApi.close(), imageApi.close()]);
    await relay.stop();
    await Promise.all(agents.map((agent) => agent.close()));
    await db.destroy();
    await mariadb.execute(`DROP DATABASE ${schema}`);
  }

  return {
    app, db, broker, placement, network, networkApi, images, imageApi, identity, base, conductors, agents, projectId, userId, member, admin, tokenFor, addConductor, addHost, call, asAdmin, makeFlavor,
    until, serverUntil, active, gone, usage, stop, schema, mariadb, logger,
  };
}
export type Lab = Awaited<ReturnType<typeof startLab>>;
