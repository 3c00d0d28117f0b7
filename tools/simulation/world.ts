import crypto from 'node:crypto';
import { silentLogger, createLogger } from '@virga/core';
import { createDatabase, migrate, sql, type Kysely } from '@virga/db';
import { MemoryBroker } from '@virga/rpc';
import { createNetworkViews, FakeImages, FakeNetwork, FakePlacement, startOwnMariaDb, testIdentity, type OwnMariaDb } from '@virga/testing';
import mysql from 'mysql2/promise';
import { createComputeApp } from '../../apps/compute-api/src/compute-app';
import { computeMigrations } from '../../apps/compute-api/src/db/migrations';
import type { ComputeDb } from '../../apps/compute-api/src/db/schema';
import { NeighbourApi } from '../../apps/compute-api/src/proxies/neighbour-api';
import { Random } from './random';
import { simulatedBus } from './simulated-bus';
import { DatabaseTurns } from './database-turns';
import { simulatedDatabase, type SimulatedDatabase } from './simulated-database';
import { currentProcess, SimulatedProcess, type Surroundings } from './simulated-process';
import { installTimes, realPause, SimulatedTime } from './simulated-time';

/** Where the database lies: its writes are not what is looked at here. */
const MEMORY = '/dev/shm';
const SCHEMA = 'compute';
const LIFETIME_S = 20 * 365 * 86_400;

/** Nobody here asks for what compute passes on to others. */
const NOBODY = new NeighbourApi('http://127.0.0.1:9');

export type App = Awaited<ReturnType<typeof createComputeApp>>;

/** Puts the worlds' times and chance in place of this JavaScript realm's own; returns how to take them away again. */
export function installWorlds(): () => void {
  const { random } = Math;
  const { randomUUID, randomBytes, randomInt } = crypto;
  const uninstall = installTimes(currentProcess);
  const chance = () => currentProcess()?.spec.world.chance;
  Math.random = () => chance()?.next() ?? random();
  crypto.randomUUID = (options) => (chance()?.uuid() as ReturnType<typeof randomUUID> | undefined) ?? randomUUID(options);
  Object.assign(crypto, {
    randomBytes: (count: number) => chance()?.bytes(count) ?? randomBytes(count),
    randomInt: (most: number) => chance()?.below(most) ?? randomInt(most),
  });
  return () => {
    uninstall();
    Math.random = random;
    Object.assign(crypto, { randomUUID, randomBytes, randomInt });
  };
}

/** What one schedule after the other runs in: compute's HTTP side and database, its neighbours, and a time that is not the real one. */
export class World implements Surroundings {
  flavor = '';
  largeFlavor = '';
  image = '';
  net = '';
  readonly projectId = '5eed5eed5eed5eed5eed5eed5eed5eed';
  chance = new Random(1);
  private driving = true;
  private driven: Promise<void> = Promise.resolve();
  readonly outsider: SimulatedProcess;

  private constructor(
    readonly mariadb: OwnMariaDb, readonly time: SimulatedTime, readonly turns: DatabaseTurns, private readonly database: SimulatedDatabase<ComputeDb>,
    readonly broker: MemoryBroker, readonly placement: FakePlacement, readonly network: FakeNetwork, readonly images: FakeImages, readonly logger: typeof silentLogger,
    private readonly monitor: mysql.Connection,
  ) {
    this.outsider = new SimulatedProcess({ world: this, name: 'world', random: new Random(0), counts: {}, rate: 0 });
  }

  get db(): Kysely<ComputeDb> {
    return this.database.db;
  }

  private identity!: Awaited<ReturnType<typeof testIdentity>>;
  private app!: App;
  private member = '';
  private admin = '';
  /** Wakes the relay of the API process that lives now. */
  wakeApiRelay = (): void => undefined;

  static async open(): Promise<World> {
    const mariadb = await startOwnMariaDb({ parent: MEMORY });
    // A thread of its own counts rows in its own time, and what it has counted decides how a statement is done and what it locks.
    await mariadb.execute('SET GLOBAL innodb_flush_log_at_trx_commit = 0; SET GLOBAL innodb_stats_auto_recalc = OFF; SET GLOBAL innodb_purge_rseg_truncate_frequency = 1');
    const url = await mariadb.createSchema(SCHEMA);
    const plain = createDatabase<ComputeDb>({ url });
    await migrate(plain, computeMigrations);
    await plain.destroy();
    await createNetworkViews(mariadb, SCHEMA);
    const monitor = await mysql.createConnection({ socketPath: mariadb.socketPath, user: 'root' });
    const time = new SimulatedTime();
    const turns = new DatabaseTurns(time);
    const logger = process.env.STORY_LOG ? createLogger('simulation', process.env.STORY_LOG) : silentLogger;
    const database = await simulatedDatabase<ComputeDb>(url, time, turns);
    const world = new World(mariadb, time, turns, database, new MemoryBroker({ logger, retryDelayMs: 1000, maxAttempts: 30 }), new FakePlacement(), new FakeNetwork(), new FakeImages(), logger, monitor);
    world.seed(new Random(1));
    world.driven = world.drive();
    await world.outsider.run(() => world.furnish());
    return world;
  }

  private async furnish(): Promise<void> {
    const { broker, placement, network, images, db, logger } = this;
    await placement.serve(broker.connect('scheduler'));
    await network.serve(broker.connect('network'));
    await images.serve(broker.connect('image'));
    this.identity = await testIdentity();
    this.app = await createComputeApp({
      db, bus: simulatedBus(broker.connect('compute-api')), logger, wakeRelay: () => this.wakeApiRelay(), identityUrl: 'http://127.0.0.1:5000',
      settings: { networkSchema: SCHEMA, maxLimit: 1000, defaultZone: 'nova', console: { url: 'http://console.test:6080', serialUrl: '', tokenInFragment: false, tokenSeconds: 300 } },
      verifyToken: (token) => this.identity.verifier.verify(token), apis: { network: NOBODY, image: NOBODY },
    });
    await this.app.init();
    await this.app.getHttpAdapter().getInstance().ready();
    this.member = this.identity.sign({ projectId: this.projectId, lifetime: LIFETIME_S });
    this.admin = this.identity.sign({ roles: ['admin'], lifetime: LIFETIME_S });
    this.image = images.add();
    this.net = network.addNetwork('net1');
    const flavor = async (name: string, ram: number, vcpus: number) => (await this.call('POST', '/v2.1/flavors', { flavor: { name, ram, vcpus, disk: 1 } }, true)).body.flavor.id as string;
    this.flavor = await flavor('m1.tiny', 64, 1);
    this.largeFlavor = await flavor('m1.small', 128, 2);
    await this.call('PUT', `/v2.1/os-quota-sets/${this.projectId}`, { quota_set: { instances: 6, cores: -1, ram: -1 } }, true);
  }

  /**
   * Does `schedule` while the database takes away nothing of what is deleted in it, and waits for that afterwards. Its own thread does it in
   * its own time, and what is still in an index decides which gaps a transaction locks.
   */
  async withoutPurge<T>(schedule: () => Promise<T>): Promise<T> {
    await this.monitor.query('START TRANSACTION WITH CONSISTENT SNAPSHOT');
    try {
      return await schedule();
    } finally {
      await this.database.rest();
      await this.monitor.query('COMMIT');
      await this.monitor.query('SET GLOBAL innodb_max_purge_lag_wait = 0');
    }
  }

  /** From here on all that product code leaves to chance follows from the seed. */
  seed(random: Random): void {
    this.chance = random.fork();
    this.turns.random = random.fork();
  }

  /** Lets everybody work, one statement after the other, and time pass when nobody can. */
  private async drive(): Promise<void> {
    const { time, turns } = this;
    while (this.driving) {
      await time.quiet();
      if (!(await turns.next()) && !time.next()) await realPause(1);
    }
  }

  /** A request to the API process that the caller runs in; a status of 0 when its answer never came. */
  async call(method: 'GET' | 'POST' | 'PUT' | 'DELETE', url: string, body?: unknown, admin = false): Promise<{ status: number; body: any }> {
    const answer = await this.app.getHttpAdapter().getInstance().inject({
      method, url, headers: { 'x-auth-token': admin ? this.admin : this.member, 'openstack-api-version': 'compute 2.93', ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(body !== undefined && { payload: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, body: answer.body === '' ? null : JSON.parse(answer.body) };
  }

  /** What the project's usage says, and what its rows say. */
  async usage(): Promise<{ booked: unknown; counted: unknown }> {
    const booked = await this.db.selectFrom('quota_usages').select(['instances', 'cores', 'ram']).where('project_id', '=', this.projectId).executeTakeFirst();
    const { rows: [counted] } = await sql<unknown>`SELECT CAST(COUNT(*) AS INT) AS instances, CAST(COALESCE(SUM(JSON_VALUE(flavor_json, '$.vcpus') + held_cores), 0) AS INT) AS cores,
      CAST(COALESCE(SUM(JSON_VALUE(flavor_json, '$.ram') + held_ram), 0) AS INT) AS ram FROM instances WHERE project_id = ${this.projectId} AND deleted_at IS NULL`.execute(this.db);
    return { booked: booked ?? { instances: 0, cores: 0, ram: 0 }, counted };
  }

  async close(): Promise<void> {
    this.driving = false;
    await this.driven;
    await this.database.close();
    await this.monitor.end();
    await this.mariadb.stop();
  }
}
