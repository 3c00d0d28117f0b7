import { pages } from 'virga:console-pages';
import { consoleContract, identityContract, REVOCATION_TOPIC, type Revocation } from '@virga/contracts';
import { errorMessage, retry } from '@virga/core';
import { readTlsIdentity } from '@virga/mutual-tls';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { runService } from '@virga/service';
import { readConfig } from './config';
import { PublicServer } from './public-server';
import { OpenConnections } from './sessions/open-connections';
import { openConsole } from './sessions/open-console';

const config = readConfig();

void runService({ name: 'console-proxy', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL }, async ({ logger, admin, onStop }) => {
  const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
  onStop('bus', () => bus.close());
  busMetrics(admin.metrics, bus);
  const consoles = bus.client(consoleContract);
  const connections = new OpenConnections(consoles, logger);
  await bus.subscribe(REVOCATION_TOPIC, (payload) => connections.revoke(payload as Revocation));
  const readRevocations = async () => { for (const revocation of (await bus.client(identityContract).revocations({})).revocations) connections.revoke(revocation); };
  // What was revoked while the broker, or this process, was away.
  bus.onReconnect(() => void readRevocations().catch((error: unknown) => logger.warn({ reason: errorMessage(error) }, 'revocations not read')));
  await retry({ attempts: 60, baseMs: 500, maxMs: 1000 }, readRevocations);
  connections.start();
  const door = { consoles, identity: () => readTlsIdentity(config), isRevoked: ({ holder }: Parameters<Parameters<typeof openConsole>[0]['isRevoked']>[0]) => connections.isRevoked(holder), logger };
  const server = new PublicServer({
    pages, allowedOrigins: new Set(config.VIRGA_CONSOLE_ALLOWED_ORIGINS.split(',').map((origin) => origin.trim()).filter(Boolean)),
    frameAncestors: config.VIRGA_CONSOLE_FRAME_ANCESTORS, maxPerAddress: config.VIRGA_CONSOLE_MAX_PER_ADDRESS, idleMs: config.VIRGA_CONSOLE_IDLE_MINUTES * 60_000,
    open: (handshake) => openConsole(door, handshake), opened: (connection) => connections.add(connection),
  });
  await server.listen(config.VIRGA_LISTEN);
  // Nobody is told to come again as long as this process would take them in again.
  onStop('public listener', () => server.close(() => connections.stop()));
  admin.addCheck('broker', () => bus.connected);
});
