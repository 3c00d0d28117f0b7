import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { identityContract, REVOCATION_TOPIC, type Revocation } from '@virga/contracts';
import type { Logger } from '@virga/core';
import { OutboxRelay } from '@virga/db';
import { createHttpApp, TokenVerifier, type HttpEdgeOptions } from '@virga/rest';
import type { Bus, Served } from '@virga/rpc';
import type { Settings } from './injection';
import type { Db, IdentitySchema } from './db/tables';
import { identityModule } from './identity-module';
import { PkiKeys } from './pki/pki-keys';
import { policies } from './policies';
import { Revoker } from './revocations/revoker';
import { REFRESH_MS, SigningKeys } from './tokens/signing-keys';

export interface ServeOptions {
  db: Db;
  bus: Bus;
  logger: Logger;
  settings: Settings;
  sealKey: Buffer;
  /** Identity's public URL without `/v3`. */
  publicUrl: string;
  onAnswer?: HttpEdgeOptions['onAnswer'];
}

export interface RunningIdentity {
  app: NestFastifyApplication;
  keys: SigningKeys;
  /** Reads keys and revocations again, as happens from time to time anyway. */
  refresh(): Promise<void>;
  /** Finishes requests in work, then the rest. */
  stop(): Promise<void>;
}

/** keystone's largest request body. */
const BODY_LIMIT = 114_688;

/** Everything of a serving identity but its listening socket. */
export async function serveIdentity({ db, bus, logger, settings, sealKey, publicUrl, onAnswer }: ServeOptions): Promise<RunningIdentity> {
  const keys = new SigningKeys(db, sealKey, settings.tokenSeconds);
  const pkiKeys = new PkiKeys(db, sealKey, settings.tokenSeconds);
  const published = () => [...keys.publicKeys, ...pkiKeys.publicKeys];
  const readKeys = async () => {
    await keys.refresh();
    await pkiKeys.refresh(settings.tokenFormat === 'pki');
    return published();
  };
  await readKeys();
  const relay = new OutboxRelay<IdentitySchema>(db, ({ topic, payload }) => bus.publish(topic, payload), logger);
  const verifier: TokenVerifier = new TokenVerifier({
    signingKeys: readKeys,
    revocations: () => revoker.list(),
  }, logger);
  const revoker: Revoker = new Revoker(db, verifier, relay, settings.tokenSeconds);
  const refresh = async (): Promise<void> => {
    await revoker.prune();
    await verifier.refresh();
  };
  await bus.subscribe(REVOCATION_TOPIC, (payload) => verifier.revoke(payload as Revocation));
  bus.onReconnect(() => { refresh().catch((error: unknown) => logger.warn({ err: error }, 'revocations not refreshed')); });
  await refresh();
  const served: Served = await bus.serve(identityContract, {
    signingKeys: async () => { await refresh(); return { keys: published() }; },
    revocations: async () => ({ revocations: await revoker.list() }),
  });
  relay.start();
  const timer = setInterval(() => { refresh().catch((error: unknown) => logger.warn({ err: error }, 'keys and revocations not refreshed')); }, REFRESH_MS);
  const app = await createHttpApp(identityModule({ db, settings, sealKey, keys, pkiKeys, verifier, revoker, relay }), {
    service: 'identity',
    identityUrl: `${publicUrl.replace(/\/+$/, '')}/v3`,
    policies,
    logger,
    verifyToken: (token) => verifier.verify(token),
    bodyLimit: BODY_LIMIT,
    ...(onAnswer && { onAnswer }),
  });
  return {
    app,
    keys,
    refresh,
    stop: async () => {
      clearInterval(timer);
      await app.close();
      await served.stop();
      await relay.stop();
    },
  };
}
