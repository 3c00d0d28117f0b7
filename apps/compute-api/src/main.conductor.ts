import { hostname } from 'node:os';
import { errorMessage, newUuid } from '@virga/core';
import { createDatabase, isMigrated, sql } from '@virga/db';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { runService } from '@virga/service';
import { Conductor } from './conductor';
import { ConductorMetrics } from './conductor-metrics';
import { fenceByCommand } from './evacuation/host-is-off';
import { conductorConfig } from './config';
import { drainHost, restoreHost } from './drains/drain-host';
import { computeMigrations } from './db/migrations';
import type { ComputeDb } from './db/schema';

async function main(): Promise<void> {
  const config = conductorConfig();
  await runService({ name: 'conductor', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL }, async ({ logger, admin, onStop }) => {
    const db = createDatabase<ComputeDb>({ url: config.VIRGA_DB_URL, poolSize: 16 });
    onStop('database', () => db.destroy());
    if (!(await isMigrated(db, computeMigrations))) throw new Error('the schema is not up to date; run: main.js migrate');
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
    onStop('bus', () => bus.close());
    busMetrics(admin.metrics, bus);
    admin.addCheck('database', async () => { await sql`select 1`.execute(db); return true; });
    admin.addCheck('broker', () => bus.connected);
    const deadLetters = () => bus.deadLetters();
    const conductor = new Conductor({
      db, bus, logger, hostname: hostname(), defaultZone: config.VIRGA_COMPUTE_DEFAULT_ZONE, leaseMs: config.VIRGA_COMPUTE_OPERATION_LEASE_MS,
      sweepMs: config.VIRGA_COMPUTE_SWEEP_MS, deadHostGraceMs: config.VIRGA_COMPUTE_DEAD_HOST_GRACE_MS,
      heartbeatIntervalMs: config.VIRGA_COMPUTE_HEARTBEAT_MS, hostLeaseMs: config.VIRGA_COMPUTE_HOST_LEASE_MS,
      reconcileMs: config.VIRGA_COMPUTE_RECONCILE_MS, consoleMinutes: config.VIRGA_COMPUTE_CONSOLE_SESSION_MINUTES,
      keep: { operationDays: config.VIRGA_COMPUTE_KEEP_OPERATIONS_DAYS, deletedDays: config.VIRGA_COMPUTE_KEEP_DELETED_DAYS },
      deadLetters, metrics: new ConductorMetrics(admin.metrics, db, deadLetters),
      migrationLimits: {
        maxDowntimeMs: config.VIRGA_COMPUTE_MIGRATION_DOWNTIME_MS, deadlineMs: config.VIRGA_COMPUTE_MIGRATION_DEADLINE_SECONDS * 1000, postCopy: config.VIRGA_COMPUTE_MIGRATION_POST_COPY,
        recoverMs: config.VIRGA_COMPUTE_MIGRATION_RECOVER_SECONDS * 1000,
      },
      drainAtOnce: config.VIRGA_COMPUTE_DRAIN_AT_ONCE,
      evacuateAfterSeconds: config.VIRGA_COMPUTE_EVACUATE_AFTER_SECONDS,
      ...(config.VIRGA_COMPUTE_FENCE_COMMAND && { fence: fenceByCommand(config.VIRGA_COMPUTE_FENCE_COMMAND) }),
      resize: { sameHost: config.VIRGA_COMPUTE_ALLOW_RESIZE_TO_SAME_HOST }, resizeConfirmSeconds: config.VIRGA_COMPUTE_RESIZE_CONFIRM_WINDOW,
      simulatedFleets: config.VIRGA_COMPUTE_SIMULATED_FLEETS.split(',').filter(Boolean),
    });
    admin.addPost('/verify', (body) => conductor.verify((body as { fix?: boolean } | undefined)?.fix === true));
    const named = (body: unknown): string => { const { host } = body as { host?: unknown }; return typeof host === 'string' ? host : ''; };
    const operator = () => ({ requestId: `req-${newUuid()}`, userId: 'conductor', projectId: null, roles: [] });
    admin.addPost('/drain', (body) => drainHost(db, named(body), operator()));
    admin.addPost('/restore', (body) => restoreHost(db, named(body), operator()));
    await conductor.start();
    onStop('conductor', () => conductor.stop());
  });
}

main().catch((error: unknown) => {
  process.stderr.write(`conductor: ${errorMessage(error)}\n`);
  process.exitCode = 1;
});
