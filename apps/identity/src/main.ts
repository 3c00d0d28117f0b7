import { text } from 'node:stream/consumers';
import { createLogger, errorMessage } from '@virga/core';
import { createDatabase, isMigrated, migrate, sql } from '@virga/db';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { answerMetrics, openApi, runService } from '@virga/service';
import { bootstrap } from './bootstrap/bootstrap';
import { readBootstrapDocument } from './bootstrap/bootstrap-document';
import { identityConfig, keyConfig, migrateConfig } from './config';
import { migrations } from './db/migrations';
import type { IdentitySchema } from './db/tables';
import { serveIdentity } from './serve';
import { PkiKeys } from './pki/pki-keys';
import { readKeyFile } from './tokens/sealed';
import { SigningKeys } from './tokens/signing-keys';

async function serve(): Promise<void> {
  const config = identityConfig();
  await runService({ name: 'identity', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL, drainSeconds: config.VIRGA_DRAIN_SECONDS }, async ({ logger, admin, onStop }) => {
    const db = createDatabase<IdentitySchema>({ url: config.VIRGA_DB_URL });
    onStop('database', () => db.destroy());
    if (!(await isMigrated(db, migrations))) throw new Error('the schema is not up to date; run: main.js migrate');
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
    onStop('bus', () => bus.close());
    busMetrics(admin.metrics, bus);
    admin.addCheck('database', async () => { await sql`select 1`.execute(db); return true; });
    admin.addCheck('broker', () => bus.connected);
    const identity = await serveIdentity({
      db, bus, logger,
      settings: { tokenSeconds: config.VIRGA_IDENTITY_TOKEN_SECONDS, listLimit: config.VIRGA_IDENTITY_LIST_LIMIT, tokenFormat: config.VIRGA_IDENTITY_TOKEN_FORMAT },
      sealKey: readKeyFile(config.VIRGA_IDENTITY_KEY_FILE),
      publicUrl: config.VIRGA_PUBLIC_IDENTITY_URL,
      onAnswer: answerMetrics(admin.metrics),
    });
    onStop('http', () => identity.stop());
    await openApi(identity.app, config.VIRGA_LISTEN, config.VIRGA_DRAIN_SECONDS, { onStop, logger });
  });
}

async function runMigrate(): Promise<void> {
  const { VIRGA_DB_URL, VIRGA_LOG_LEVEL } = migrateConfig();
  const db = createDatabase<IdentitySchema>({ url: VIRGA_DB_URL, poolSize: 2 });
  try {
    createLogger('identity', VIRGA_LOG_LEVEL).info({ applied: await migrate(db, migrations) }, 'schema is up to date');
  } finally {
    await db.destroy();
  }
}

/** Reads the document on standard input; passwords never travel in arguments. */
async function runBootstrap(): Promise<void> {
  const { VIRGA_DB_URL, VIRGA_LOG_LEVEL, VIRGA_IDENTITY_TOKEN_SECONDS } = keyConfig();
  const document = readBootstrapDocument(await text(process.stdin));
  const db = createDatabase<IdentitySchema>({ url: VIRGA_DB_URL, poolSize: 2 });
  try {
    const made = await bootstrap(db, document, VIRGA_IDENTITY_TOKEN_SECONDS);
    createLogger('identity', VIRGA_LOG_LEVEL).info({ made }, 'bootstrapped');
  } finally {
    await db.destroy();
  }
}

/** `--drop-former` is for a key that may have been stolen: all tokens of before are void as soon as services see a new one. */
async function rotateKeys(options: string[]): Promise<void> {
  const drop = options.includes('--drop-former');
  if (options.some((option) => option !== '--drop-former')) throw new Error('rotate-keys takes no option but --drop-former');
  const { VIRGA_DB_URL, VIRGA_LOG_LEVEL, VIRGA_IDENTITY_KEY_FILE, VIRGA_IDENTITY_TOKEN_SECONDS } = keyConfig();
  const db = createDatabase<IdentitySchema>({ url: VIRGA_DB_URL, poolSize: 2 });
  try {
    const sealKey = readKeyFile(VIRGA_IDENTITY_KEY_FILE);
    const kid = await new SigningKeys(db, sealKey, VIRGA_IDENTITY_TOKEN_SECONDS).rotate(drop ? 'drop' : 'keep');
    const pkiKeys = new PkiKeys(db, sealKey, VIRGA_IDENTITY_TOKEN_SECONDS);
    await pkiKeys.refresh(false);
    if (pkiKeys.exist) await pkiKeys.rotate(drop ? 'drop' : 'keep');
    createLogger('identity', VIRGA_LOG_LEVEL).info({ kid, formerDropped: drop }, 'a new key signs tokens');
  } finally {
    await db.destroy();
  }
}

const COMMANDS: Record<string, (options: string[]) => Promise<void>> = { serve, migrate: runMigrate, bootstrap: runBootstrap, 'rotate-keys': rotateKeys };

async function main(): Promise<void> {
  const name = process.argv[2] ?? 'serve';
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (!command) throw new Error(`unknown command ${JSON.stringify(name)}; known: ${Object.keys(COMMANDS).join(', ')}`);
  await command(process.argv.slice(3));
}

main().catch((error: unknown) => {
  process.stderr.write(`identity: ${errorMessage(error)}\n`);
  process.exit(1);
});
