import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RabbitBus, fleetUser } from '@virga/rpc';
import { runService } from '@virga/service';
import { readFleetConfig } from './config';
import { FleetMemory } from './fleet/fleet-memory';
import { readFailures, readTimes } from './fleet/fleet.config';
import { SimulatedHost } from './fleet/simulated-host';
import type { FakeLink } from './virt/fake/fake-migrations';

/** Each host takes two channels of its connection, of which the broker allows 2047. */
const HOSTS_PER_CONNECTION = 500;
/** Over which the first heartbeats are spread, and with them all later ones. */
const HEARTBEAT_SPREAD_MS = 3000;

const config = readFleetConfig();
const { VIRGA_FLEET_NAME: fleet, VIRGA_FLEET_HOSTS: count, VIRGA_FLEET_STATE_DIR: stateDir, VIRGA_FLEET_SEED: seed } = config;

void runService({ name: 'fleet', adminListen: config.VIRGA_ADMIN_LISTEN, logLevel: config.VIRGA_LOG_LEVEL }, async ({ logger, admin, onStop }) => {
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const memory = await FleetMemory.open(join(stateDir, 'journal'));
  onStop('journal', () => memory.close());
  const buses: RabbitBus[] = [];
  for (let first = 0; first < count; first += HOSTS_PER_CONNECTION) {
    const bus = await RabbitBus.connect({ url: config.VIRGA_AMQP_URL, sender: fleetUser(fleet), logger });
    buses.push(bus);
    onStop('bus', () => bus.close());
  }
  const link: FakeLink = new Map();
  const hosts = Array.from({ length: count }, (_, index) => new SimulatedHost({
    fleet, index, seed, memory, logger, link, bus: buses[Math.floor(index / HOSTS_PER_CONNECTION)]!,
    totals: { vcpus: config.VIRGA_FLEET_VCPUS, memoryMb: config.VIRGA_FLEET_MEMORY_MB, diskGb: config.VIRGA_FLEET_DISK_GB },
    simulation: { times: readTimes(config.VIRGA_FLEET_TIMES), failures: readFailures(config.VIRGA_FLEET_FAILURES) },
  }));
  onStop('hosts', async () => { await Promise.all(hosts.map((host) => host.stop())); });
  for (const [index, host] of hosts.entries()) await host.start((index / count) * HEARTBEAT_SPREAD_MS);
  logger.info({ fleet, hosts: count, from: hosts[0]!.hostname, to: hosts.at(-1)!.hostname }, 'simulated hosts are there');
  admin.addCheck('broker', () => buses.every((bus) => bus.connected));
  admin.addCheck('control plane', () => hosts.every((host) => host.known));
});
