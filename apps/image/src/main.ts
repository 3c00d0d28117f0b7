import { imageContract } from '@virga/contracts';
import { createDatabase, isMigrated, migrate } from '@virga/db';
import { TokenVerifier } from '@virga/rest';
import { RabbitBus, busMetrics } from '@virga/rpc';
import { answerMetrics, openApi, runService } from '@virga/service';
import { readConfig } from './config';
import { migrations } from './db/migrations';
import type { ImageSchema } from './db/tables';
import { createImageApp } from './image.app';
import { imageHandlers } from './image.handlers';
import { ImageRepository } from './images/image.repository';
import { FileStore } from './store/file-store';
import { StoreSweeper } from './store/store-sweeper';
import { DataServer } from './tickets/data-server';
import { DownloadTickets } from './tickets/download-tickets';
import { UploadTickets } from './tickets/upload-tickets';

const config = readConfig();
const db = createDatabase<ImageSchema>({ url: config.VIRGA_DB_URL });

async function runMigrations(): Promise<void> {
  for (const name of await migrate(db, migrations)) console.log(`applied ${name}`);
  await db.destroy();
}

async function serve(): Promise<void> {
  await runService({ name: 'image', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL, drainSeconds: config.VIRGA_DRAIN_SECONDS }, async ({ logger, admin, onStop }) => {
    onStop('database', () => db.destroy());
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, logger });
    onStop('bus', () => bus.close());
    busMetrics(admin.metrics, bus);
    const verifier = await TokenVerifier.overBus(bus, logger);
    const store = new FileStore(config.VIRGA_IMAGE_STORE_DIR);
    await store.prepare();
    const images = new ImageRepository(db);
    const parts = { images, store, downloads: new DownloadTickets(), uploads: new UploadTickets(), config, logger };
    const dataServer = new DataServer(parts);
    await dataServer.listen(config.VIRGA_IMAGE_DATA_LISTEN);
    onStop('data server', () => dataServer.close(config.VIRGA_DRAIN_SECONDS * 1000));
    const served = await bus.serve(imageContract, imageHandlers(parts));
    onStop('rpc', () => served.stop());
    const sweeper = new StoreSweeper(images, store, logger);
    sweeper.start();
    onStop('sweeper', () => sweeper.stop());
    const app = await createImageApp({ config, db, store, logger, verifyToken: (token) => verifier.verify(token), onAnswer: answerMetrics(admin.metrics) });
    onStop('api', () => app.close());
    await openApi(app, config.VIRGA_LISTEN, config.VIRGA_DRAIN_SECONDS, { onStop, logger });
    admin.addCheck('broker', () => bus.connected);
    admin.addCheck('database', () => isMigrated(db, migrations));
  });
}

void (process.argv[2] === 'migrate' ? runMigrations() : serve());
