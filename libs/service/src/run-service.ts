import { createLogger, errorMessage, type Logger } from '@virga/core';
import { AdminServer } from './admin-server';

export interface ServiceEnv {
  logger: Logger;
  admin: AdminServer;
  /** Run at SIGTERM/SIGINT, last registered first; each is waited for. */
  onStop(name: string, stop: () => Promise<void> | void): void;
}

export interface ServiceOptions {
  name: string;
  adminListen: string;
  logLevel: string;
  /** How much longer than 30 s stopping may take, because requests are under way; then the process exits with 1. */
  drainSeconds?: number;
}

const STOP_MS = 30_000;

/** Life of a process: start, say it lives, drain on SIGTERM, stop. Exit code 0 only after a clean stop. */
export async function runService(options: ServiceOptions, start: (env: ServiceEnv) => Promise<void>): Promise<void> {
  const logger = createLogger(options.name, options.logLevel);
  const admin = new AdminServer(logger);
  const stops: { name: string; stop: () => Promise<void> | void }[] = [];
  let started = false;
  let stopping = false;

  const shutDown = async (signal: string) => {
    if (stopping) return;
    stopping = true;
    logger.info({ signal }, 'stopping');
    admin.drain();
    setTimeout(() => { logger.error('did not stop in time'); process.exit(1); }, STOP_MS + (options.drainSeconds ?? 0) * 1000).unref();
    let failed = false;
    for (const { name, stop } of stops.reverse()) {
      try { await stop(); } catch (error) { failed = true; logger.error({ err: error, part: name }, 'part did not stop cleanly'); }
    }
    await admin.close();
    logger.info('stopped');
    process.exit(failed ? 1 : 0);
  };
  process.on('SIGTERM', () => void shutDown('SIGTERM'));
  process.on('SIGINT', () => void shutDown('SIGINT'));
  process.on('unhandledRejection', (error) => logger.error({ err: error }, 'a rejected promise was not handled'));
  process.on('uncaughtException', (error) => { logger.fatal({ err: error }, 'uncaught exception'); process.exit(1); });

  admin.addCheck('started', () => started);
  try {
    await admin.listen(options.adminListen);
    await start({ logger, admin, onStop: (name, stop) => { stops.push({ name, stop }); } });
    started = true;
    admin.takeOver();
    logger.info('started');
  } catch (error) {
    logger.fatal({ err: error }, `could not start: ${errorMessage(error)}`);
    process.exit(1);
  }
}
