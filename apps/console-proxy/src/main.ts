import { RabbitBus, busMetrics } from '@virga/rpc';
import { runService } from '@virga/service';
import { readConfig } from './config';
import { PublicServer } from './public-server';

const config = readConfig();

void runService({ name: 'console-proxy', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL }, async ({ logger, admin, onStop }) => {
  const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
  onStop('bus', () => bus.close());
  busMetrics(admin.metrics, bus);
  const server = new PublicServer();
  await server.listen(config.VIRGA_LISTEN);
  onStop('public listener', () => server.close());
  admin.addCheck('broker', () => bus.connected);
});
