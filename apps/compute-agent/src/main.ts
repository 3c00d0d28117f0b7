import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { agentGatewayContract, hostAgentContract } from '@virga/contracts';
import { errorMessage, systemClock } from '@virga/core';
import { OvsdbClient, openVSwitch } from '@virga/ovsdb';
import { connectToHost, readTlsIdentity, towardsBroker } from '@virga/mutual-tls';
import { RabbitBus, agentUser, busMetrics } from '@virga/rpc';
import { runService } from '@virga/service';
import { agentHandlers } from './agent.handlers';
import { AgentMetrics } from './agent-metrics';
import { CommandRunner } from './commands/command-runner';
import { ReportSender } from './commands/report-sender';
import { readConfig } from './config';
import { receiveConsoleLogs, sendConsoleLog } from './consoles/carry-log';
import { boundConsoleLog } from './consoles/console-log';
import { LocalConsoles } from './consoles/console-desk';
import { ImageCache } from './disks/image-cache';
import { SharedStorage } from './disks/shared-storage';
import { serveDisks } from './disks/serve-disks';
import { HostServer } from './host-server/host-server';
import { describeHost } from './hosts/describe-host';
import { Heartbeat } from './hosts/heartbeat';
import { isStillHere } from './hosts/is-still-here';
import { markBoot, recoverGuests } from './hosts/recover-guests';
import { SelfFence } from './hosts/self-fence';
import { CONSOLE_LOG } from './instances/guest-parts';
import type { InstanceHost } from './instances/instance-host';
import { InstanceStore } from './instances/instance-store';
import { LocalWorkshop } from './instances/local-workshop';
import { verbTable } from './instances/verbs';
import { Journal } from './journal/journal';
import { receiveConfigDrives, sendConfigDrive } from './migration/carry-config-drive';
import { imagesDirectory, localMigrationHost } from './migration/local-migration-host';
import { GuestMetadata } from './metadata/guest-metadata';
import { MetadataNetworks } from './metadata/metadata-networks';
import { MetadataServer } from './metadata/metadata-server';
import { LibvirtDriver } from './virt/libvirt/libvirt-driver';

const config = readConfig();
const hostId = config.VIRGA_AGENT_HOST_ID;
const CONSOLE_CHECK_MS = 5000;
const CACHE_SWEEP_MS = 3_600_000;
const CACHE_IDLE_MS = 24 * 3_600_000;

void runService({ name: 'compute-agent', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL }, async ({ logger, admin, onStop }) => {
  const stateDir = config.VIRGA_AGENT_STATE_DIR;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const storage = config.VIRGA_AGENT_SHARED_INSTANCES === '' ? undefined : new SharedStorage(config.VIRGA_AGENT_SHARED_INSTANCES, hostId, logger);
  await storage?.prepare();
  const store = new InstanceStore(join(stateDir, 'instances'), storage);
  await store.prepare();
  const hostBooted = await markBoot(config.VIRGA_AGENT_RUN_DIR);
  const journal = await Journal.open(join(stateDir, 'journal'));
  onStop('journal', () => journal.close());

  const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, sender: agentUser(hostId), tls: () => towardsBroker(readTlsIdentity(config)), logger });
  onStop('bus', () => bus.close());
  busMetrics(admin.metrics, bus);
  const gateway = bus.client(agentGatewayContract);
  const driver = new LibvirtDriver(config.VIRGA_AGENT_LIBVIRT_SOCKET, {
    virtType: config.VIRGA_AGENT_VIRT_TYPE, machine: config.VIRGA_AGENT_MACHINE, cpuModel: config.VIRGA_AGENT_CPU_MODEL,
    checksumOffload: config.VIRGA_AGENT_CHECKSUM_OFFLOAD,
    onTrouble: (error) => logger.warn({ reason: error.message }, 'libvirt trouble'),
  });
  onStop('libvirt', () => driver.close());
  const ovs = new OvsdbClient(openVSwitch, { remotes: [config.VIRGA_AGENT_OVSDB] });
  await ovs.connect();
  onStop('ovsdb', () => ovs.close());

  const images = new ImageCache(imagesDirectory(stateDir), (imageId) => gateway.imageTicket({ hostId, imageId }), logger);
  await images.prepare();
  const metadataSocket = join(config.VIRGA_AGENT_RUN_DIR, 'metadata.sock');
  const metadataNetworks = new MetadataNetworks(ovs, join(config.VIRGA_AGENT_RUN_DIR, 'metadata'), metadataSocket, config.VIRGA_AGENT_CHECKSUM_OFFLOAD, logger);
  onStop('metadata networks', () => metadataNetworks.close());
  const fetchDocuments = async (instanceId: string) => (await gateway.instanceMetadata({ hostId, instanceId })).documents;
  const workshop = new LocalWorkshop({
    store, images, sharedDisks: storage !== undefined, ovs, metadataNetworks, fetchDocuments, spice: config.VIRGA_AGENT_SPICE, requestUpload: (imageId, sizeBytes) => gateway.uploadTicket({ hostId, imageId, sizeBytes }), reach: (other) => connectToHost(other, () => readTlsIdentity(config)), portTimeoutSeconds: config.VIRGA_AGENT_PORT_TIMEOUT_SECONDS, consoleBytes: config.VIRGA_AGENT_CONSOLE_LOG_BYTES / 2,
  });
  const host: InstanceHost = { driver, store, workshop };
  const metadata = new MetadataServer(new GuestMetadata(store, fetchDocuments, logger), logger);
  await metadata.listen(metadataSocket);
  onStop('metadata service', () => metadata.close());

  // Larger than any sequence of an earlier life of this agent.
  let sequence = Date.now() * 1000;
  const nextSequence = () => ++sequence;
  const moving = localMigrationHost({
    host, store, images, storage, imagesDir: imagesDirectory(stateDir), ovs, migrations: driver.migrations, fetchDocuments, logger, server: () => ({ hostId, agentUrl }),
    carryConfigDrive: async (instanceId, { server }, signal) => { if (server) await sendConfigDrive(store.dir(instanceId), instanceId, server, () => readTlsIdentity(config), signal); },
    carryLog: async (instanceId, { server }) => { if (server) await sendConsoleLog(join(store.dir(instanceId), CONSOLE_LOG), instanceId, server, () => readTlsIdentity(config), config.VIRGA_AGENT_CONSOLE_LOG_BYTES, logger); },
    tell: (progress) => gateway.migrationProgress({ hostId, sequence: nextSequence(), ...progress }),
  });

  const reports = new ReportSender((report) => gateway.report(report), journal, logger);
  const metrics = new AgentMetrics(admin.metrics, { heartbeatAt: () => heartbeat.lastAnswered, unfinished: () => journal.unfinished().length, undelivered: () => journal.undelivered().length });
  const runner = new CommandRunner(hostId, journal, verbTable(host, moving), (report) => reports.deliver(report), logger, (verb, ok, seconds) => metrics.commandEnded(verb, ok, seconds));
  onStop('reports', () => reports.stop());

  const hostServer = new HostServer(() => readTlsIdentity(config), logger);
  const consoles = new LocalConsoles({ driver, store, spice: config.VIRGA_AGENT_SPICE }, logger);
  consoles.serveOn(hostServer);
  receiveConsoleLogs(hostServer, store, config.VIRGA_AGENT_CONSOLE_LOG_BYTES);
  receiveConfigDrives(hostServer, store);
  serveDisks(hostServer, store);
  const agentPort = await hostServer.listen(config.VIRGA_AGENT_HOST_IP, config.VIRGA_AGENT_PORT);
  onStop('host server', () => hostServer.close());
  const agentUrl = `https://${config.VIRGA_AGENT_HOST_IP}:${agentPort}`;

  const heartbeat = new Heartbeat(() => describeHost(config, driver, agentUrl, storage?.mark), gateway, nextSequence, logger);
  onStop('heartbeat', () => heartbeat.stop());
  const stopping = new AbortController();
  onStop('recovery', () => stopping.abort(new Error('stopping')));
  const isHere = (instanceId: string) => isStillHere(() => gateway.instanceMetadata({ hostId, instanceId }), logger, stopping.signal);
  const recover = (after: boolean) => recoverGuests(host, after, (instanceId) => runner.isBusy(instanceId), isHere, logger);
  const fence = new SelfFence(driver, heartbeat, config.VIRGA_AGENT_SELF_FENCE_SECONDS * 1000, () => recover(true), logger);
  driver.onResync(() => heartbeat.hurry());
  driver.onPowerChange((instanceId, powerState, reason) => {
    if (runner.isBusy(instanceId) || fence.fenced) return;
    logger.info({ instanceId, powerState, reason }, 'guest changed its power state by itself');
    const desired = powerState === 1 ? 'running' : powerState === 3 ? 'paused' : 'stopped';
    store.setDesired(instanceId, desired).catch((error: unknown) => logger.debug({ reason: errorMessage(error) }, 'no such instance here'));
    // A lost event is healed by the next heartbeat, which carries every power state.
    gateway.instanceEvent({ hostId, instanceId, powerState, reason, sequence: nextSequence() }).catch((error: unknown) => {
      logger.warn({ instanceId, reason: errorMessage(error) }, 'power change not delivered');
      heartbeat.hurry();
    });
  });

  driver.migrations.onSwitch((instanceId) => void moving.shield?.(instanceId));

  runner.recover();
  for (const stray of await workshop.removeStrays()) logger.warn(stray, 'tap without an instance removed');
  await recover(hostBooted);
  const served = await bus.serve(hostAgentContract, agentHandlers(host, runner, logger, consoles, moving), { hostId, concurrency: 32 });
  onStop('commands', async () => { await served.stop(); await runner.stop(20_000); });
  heartbeat.start();
  if (config.VIRGA_AGENT_SELF_FENCE_SECONDS > 0) {
    fence.start();
    onStop('self-fencing', () => fence.stop());
  }

  const chores = new AbortController();
  onStop('chores', () => chores.abort(new Error('stopping')));
  const every = async (ms: number, chore: () => Promise<void>) => {
    while (!chores.signal.aborted) {
      await systemClock.sleep(ms, chores.signal).catch(() => undefined);
      if (!chores.signal.aborted) await chore().catch((error: unknown) => logger.warn({ err: error }, 'chore failed'));
    }
  };
  void every(CONSOLE_CHECK_MS, async () => {
    for (const instanceId of await store.list()) await boundConsoleLog(join(store.dir(instanceId), CONSOLE_LOG), config.VIRGA_AGENT_CONSOLE_LOG_BYTES);
  });
  void every(CACHE_SWEEP_MS, async () => {
    const inUse = new Set<string>();
    const kept = await store.asideSpecs();
    for (const spec of [...kept, ...await Promise.all((await store.list()).map((id) => store.spec(id)))]) {
      for (const image of [spec.image, spec.kernelImage, spec.ramdiskImage]) if (image) inUse.add((await images.ensure(image)).path);
    }
    const removed = await images.sweep(inUse, CACHE_IDLE_MS);
    if (removed.length > 0) logger.info({ removed }, 'idle images removed from the cache');
  });

  admin.addCheck('broker', () => bus.connected);
  admin.addCheck('libvirt', () => driver.ready);
  admin.addCheck('control plane', () => heartbeat.lastAnswered > 0);
});
