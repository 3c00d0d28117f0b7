import { createLogger, errorMessage, retry } from '@virga/core';
import { createDatabase, isMigrated, migrate, OutboxRelay, sql } from '@virga/db';
import { TokenVerifier } from '@virga/rest';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { answerMetrics, openApi, runService } from '@virga/service';
import { createComputeApp } from './compute-app';
import { computeApiConfig, migrateConfig } from './config';
import { computeMigrations } from './db/migrations';
import type { ComputeDb } from './db/schema';
import { NeighbourApi } from './proxies/neighbour-api';
import { outboxPublisher } from './operations/publish-outbox';

async function serve(): Promise<void> {
  const config = computeApiConfig();
  await runService({ name: 'compute-api', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL, drainSeconds: config.VIRGA_DRAIN_SECONDS }, async ({ logger, admin, onStop }) => {
    const db = createDatabase<ComputeDb>({ url: config.VIRGA_DB_URL });
    onStop('database', () => db.destroy());
    if (!(await isMigrated(db, computeMigrations))) throw new Error('the schema is not up to date; run: main.js migrate');
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
    onStop('bus', () => bus.close());
    busMetrics(admin.metrics, bus);
    admin.addCheck('database', async () => { await sql`select 1`.execute(db); return true; });
    admin.addCheck('broker', () => bus.connected);
    // Identity may start later than this process.
    const verifier = await retry({ attempts: 60, baseMs: 500, maxMs: 1000 }, () => TokenVerifier.overBus(bus, logger));
    const relay = new OutboxRelay(db, outboxPublisher(db, bus), logger);
    relay.start();
    onStop('outbox', () => relay.stop());
    const app = await createComputeApp({
      db, bus, logger, wakeRelay: () => relay.wake(), identityUrl: config.VIRGA_PUBLIC_IDENTITY_URL,
      apis: { network: new NeighbourApi(config.VIRGA_COMPUTE_NETWORK_URL), image: new NeighbourApi(config.VIRGA_COMPUTE_IMAGE_URL) },
      settings: {
        networkSchema: config.VIRGA_COMPUTE_NETWORK_SCHEMA, maxLimit: config.VIRGA_COMPUTE_MAX_LIMIT, defaultZone: config.VIRGA_COMPUTE_DEFAULT_ZONE,
        console: {
          url: config.VIRGA_COMPUTE_CONSOLE_URL, serialUrl: config.VIRGA_COMPUTE_CONSOLE_SERIAL_URL,
          tokenInFragment: config.VIRGA_COMPUTE_CONSOLE_TOKEN_IN_FRAGMENT, tokenSeconds: config.VIRGA_COMPUTE_CONSOLE_TOKEN_SECONDS,
        },
      },
      verifyToken: (token) => verifier.verify(token), onAnswer: answerMetrics(admin.metrics),
    });
    onStop('http', () => app.close());
    await openApi(app, config.VIRGA_LISTEN, config.VIRGA_DRAIN_SECONDS, { onStop, logger });
  });
}

async function runMigrate(): Promise<void> {
  const { VIRGA_DB_URL, VIRGA_LOG_LEVEL } = migrateConfig();
  const db = createDatabase<ComputeDb>({ url: VIRGA_DB_URL, poolSize: 2 });
  try {
    createLogger('compute-api', VIRGA_LOG_LEVEL).info({ applied: await migrate(db, computeMigrations) }, 'schema is up to date');
  } finally {
    await db.destroy();
  }
}

const COMMANDS: Record<string, () => Promise<void>> = { serve, migrate: runMigrate };
const name = process.argv[2] ?? 'serve';
const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name]! : () => Promise.reject(new Error(`unknown command ${JSON.stringify(name)}; known: ${Object.keys(COMMANDS).join(', ')}`));
command().catch((error: unknown) => {
  process.stderr.write(`compute-api: ${errorMessage(error)}\n`);
  process.exitCode = 1;
});
