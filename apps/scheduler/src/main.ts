import { createLogger, errorMessage } from '@virga/core';
import { createDatabase, isMigrated, migrate, sql } from '@virga/db';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { runService } from '@virga/service';
import { migrateConfig, schedulerConfig } from './config';
import { migrations } from './db/migrations';
import type { PlacementDb } from './db/tables';
import { startScheduler } from './scheduler-module';

async function serve(): Promise<void> {
  const config = schedulerConfig();
  await runService({ name: 'scheduler', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL }, async ({ logger, admin, onStop }) => {
    const db = createDatabase<PlacementDb>({ url: config.VIRGA_DB_URL });
    onStop('database', () => db.destroy());
    if (!(await isMigrated(db, migrations))) throw new Error('the schema is not up to date; run: main.js migrate');
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
    onStop('bus', () => bus.close());
    busMetrics(admin.metrics, bus);
    admin.addCheck('database', async () => { await sql`select 1`.execute(db); return true; });
    admin.addCheck('broker', () => bus.connected);
    const app = await startScheduler(bus, {
      db, logger, metrics: admin.metrics, viewMs: config.VIRGA_SCHEDULER_VIEW_MS,
      rules: {
        ratios: { vcpus: config.VIRGA_SCHEDULER_CPU_RATIO, memoryMb: config.VIRGA_SCHEDULER_RAM_RATIO, diskGb: config.VIRGA_SCHEDULER_DISK_RATIO },
        reserved: { vcpus: config.VIRGA_SCHEDULER_RESERVED_CPUS, memoryMb: config.VIRGA_SCHEDULER_RESERVED_RAM_MB, diskGb: config.VIRGA_SCHEDULER_RESERVED_DISK_GB },
        defaultZone: config.VIRGA_SCHEDULER_DEFAULT_ZONE,
      },
    });
    onStop('placement', () => app.close());
  });
}

async function runMigrate(): Promise<void> {
  const { VIRGA_DB_URL, VIRGA_LOG_LEVEL } = migrateConfig();
  const db = createDatabase<PlacementDb>({ url: VIRGA_DB_URL, poolSize: 2 });
  try {
    createLogger('scheduler', VIRGA_LOG_LEVEL).info({ applied: await migrate(db, migrations) }, 'schema is up to date');
  } finally {
    await db.destroy();
  }
}

const COMMANDS: Record<string, () => Promise<void>> = { serve, migrate: runMigrate };

async function main(): Promise<void> {
  const name = process.argv[2] ?? 'serve';
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Error(`unknown command ${JSON.stringify(name)}; known: ${Object.keys(COMMANDS).join(', ')}`);
  await command();
}

main().catch((error: unknown) => {
  process.stderr.write(`scheduler: ${errorMessage(error)}\n`);
  process.exit(1);
});
