import { createDatabase, isMigrated, migrate, sql } from '@virga/db';
import { createLogger } from '@virga/core';
import { TokenVerifier } from '@virga/rest';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { answerMetrics, openApi, runService } from '@virga/service';
import { listOf, readConfig, readDatabaseConfig } from './config';
import { migrations } from './db/migrations';
import type { NetworkSchema } from './db/tables';
import { createNetworkApp } from './network.app';
import { connectNorthbound, connectSouthbound } from './ovn/northbound';
import { queueMetrics } from './ovn/queue-metrics';

async function runMigrations(): Promise<void> {
  const config = readDatabaseConfig();
  const db = createDatabase<NetworkSchema>({ url: config.VIRGA_DB_URL, poolSize: 2 });
  try {
    createLogger('network', config.VIRGA_LOG_LEVEL).info({ applied: await migrate(db, migrations) }, 'schema is up to date');
  } finally {
    await db.destroy();
  }
}

async function serve(): Promise<void> {
  const config = readConfig();
  await runService({ name: 'network', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL, drainSeconds: config.VIRGA_DRAIN_SECONDS }, async ({ logger, admin, onStop }) => {
    const db = createDatabase<NetworkSchema>({ url: config.VIRGA_DB_URL });
    onStop('database', () => db.destroy());
    if (!(await isMigrated(db, migrations))) throw new Error('the schema is not up to date; run: main.js migrate');
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
    onStop('bus', () => bus.close());
    busMetrics(admin.metrics, bus);
    const nb = connectNorthbound(listOf(config.VIRGA_NETWORK_OVN_NB), logger);
    const sb = connectSouthbound(listOf(config.VIRGA_NETWORK_OVN_SB), logger);
    onStop('OVN databases', async () => { await Promise.all([nb.close(), sb.close()]); });
    admin.addCheck('database', async () => { await sql`select 1`.execute(db); return true; });
    admin.addCheck('broker', () => bus.connected);
    admin.addCheck('northbound', () => nb.connected);
    const verifier = await TokenVerifier.overBus(bus, logger);
    queueMetrics(admin.metrics, db);
    const app = await createNetworkApp({
      db, bus, nb, sb, logger,
      identityUrl: config.VIRGA_PUBLIC_IDENTITY_URL,
      settings: {
        physicalNetworks: listOf(config.VIRGA_NETWORK_PHYSNETS), underlayMtu: config.VIRGA_NETWORK_UNDERLAY_MTU, availabilityZone: config.VIRGA_NETWORK_AVAILABILITY_ZONE,
      },
      writer: { pollMs: 1000, reconcileMs: config.VIRGA_NETWORK_RECONCILE_SECONDS * 1000 },
      verifyToken: (token) => verifier.verify(token),
      onAnswer: answerMetrics(admin.metrics),
    });
    await app.start();
    onStop('network', () => app.stop());
    await openApi(app.http, config.VIRGA_LISTEN, config.VIRGA_DRAIN_SECONDS, { onStop, logger });
  });
}

void (process.argv[2] === 'migrate' ? runMigrations() : serve());
