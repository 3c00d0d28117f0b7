import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { agentGatewayContract, hostAgentContract, type CommandReport, type HostCommand } from '@virga/contracts';
import { newUuid, silentLogger } from '@virga/core';
import { MemoryBroker, type Handlers } from '@virga/rpc';
import { FleetMemory } from './fleet-memory';
import type { FakeLink } from '../virt/fake/fake-migrations';
import { SimulatedHost } from './simulated-host';

const dir = mkdtempSync(join(tmpdir(), 'virga-fleet-'));
const path = join(dir, 'journal');
afterAll(() => rmSync(dir, { recursive: true }));

type Heartbeat = Parameters<Handlers<typeof agentGatewayContract>['heartbeat']>[0];
const refuse = () => Promise.reject(new Error('a simulated host asks for nothing of this kind'));

/** A control plane that only listens. */
async function listen(broker: MemoryBroker) {
  const reports: CommandReport[] = [];
  const senders = new Set<string>();
  const underWay = new Set<string>();
  const beats = new Map<string, Heartbeat>();
  await broker.connect('conductor').serve(agentGatewayContract, {
    heartbeat: async (beat, { sender }) => { senders.add(sender); beats.set(beat.facts.hostId, beat); return { intervalMs: 10, leaseMs: 1000 }; },
    report: async (report) => { reports.push(report); return {}; },
    instanceEvent: async () => ({}), migrationProgress: async ({ instanceId: moving }) => { underWay.add(moving); return { forced: false }; }, imageTicket: refuse, uploadTicket: refuse, instanceMetadata: refuse,
  });
  const until = async (what: () => boolean) => { while (!what()) await new Promise((resolve) => setTimeout(resolve, 5)); };
  return { reports, beats, senders, underWay, until, commands: broker.connect('conductor') };
}

async function fleet(broker: MemoryBroker, count: number) {
  const memory = await FleetMemory.open(path);
  const link: FakeLink = new Map();
  const hosts = Array.from({ length: count }, (_, index) => new SimulatedHost({
    fleet: 'lab', index, seed: '1', memory, logger: silentLogger, bus: broker.connect('fleet-lab'), totals: { vcpus: 8, memoryMb: 8192, diskGb: 100 }, simulation: { times: { migrate: [150, 200] } }, link,
  }));
  await Promise.all(hosts.map((host) => host.start(0)));
  return { hosts, stop: async () => { await Promise.all(hosts.map((host) => host.stop())); await memory.close(); } };
}

const instanceId = newUuid();
const command = (verb: string, over: Partial<HostCommand> = {}): HostCommand => ({
  commandId: newUuid(), operationId: 'o', step: 's', generation: 1, instanceId, verb,
  args: verb !== 'build' ? {} : {
    instanceId, instanceName: 'instance-00000001', displayName: 'a', hostname: 'a', projectId: 'p', userId: 'u', configDrive: true, ports: [],
    flavor: { vcpus: 2, memoryMb: 512, rootGb: 1, ephemeralGb: 0, swapMb: 0, extraSpecs: {} },
    image: { id: 'i', name: null, status: 'active', diskFormat: 'raw', containerFormat: 'bare', sizeBytes: 1, virtualSizeBytes: 1, sha512: '', minDisk: 0, minRam: 0, properties: {} },
  },
  ...over,
});

it('shows that it is simulated, builds, and knows its machines after a restart', async () => {
  const broker = new MemoryBroker();
  const plane = await listen(broker);
  const first = await fleet(broker, 3);
  const [host, other] = first.hosts as [SimulatedHost, SimulatedHost];
  await plane.until(() => plane.beats.size === 3);
  expect([...plane.senders]).toEqual(['fleet-lab']);
  expect(plane.beats.get(host.id)!.facts).toMatchObject({ hostname: 'sim-lab-0001', hypervisorType: 'fake', simulated: true, traits: ['CUSTOM_VIRGA_SIMULATED'] });

  const build = command('build');
  await plane.commands.client(hostAgentContract, { hostId: host.id }).execute(build);
  await plane.until(() => plane.reports.length === 1);
  expect(plane.reports[0]).toMatchObject({ hostId: host.id, ok: true, result: { powerState: 1 } });
  await plane.until(() => plane.beats.get(host.id)!.usage.runningInstances === 1);
  expect(plane.beats.get(host.id)!.usage).toMatchObject({ memoryMbUsed: 512, diskGbUsed: 1, runningInstances: 1 });
  expect(plane.beats.get(other.id)!.instances).toEqual([]);
  await first.stop();

  // A crash in mid-write.
  appendFileSync(path, '{"host":"');
  const second = await fleet(broker, 3);
  plane.beats.clear();
  await plane.until(() => plane.beats.size === 3);
  expect(plane.beats.get(host.id)!.instances).toEqual([{ instanceId, powerState: 1 }]);
  await plane.commands.client(hostAgentContract, { hostId: host.id }).execute(build);
  await plane.until(() => plane.reports.length === 2);
  expect(plane.reports[1]).toEqual(plane.reports[0]);
  await plane.commands.client(hostAgentContract, { hostId: host.id }).execute(command('destroy', { generation: 2 }));
  await plane.until(() => plane.reports.length === 3);
  await plane.commands.client(hostAgentContract, { hostId: host.id }).execute(command('start', { generation: 1 }));
  await second.stop();

  const third = await fleet(broker, 3);
  plane.beats.clear();
  await plane.until(() => plane.beats.size === 3);
  expect(plane.beats.get(host.id)!.instances).toEqual([]);
  expect(plane.reports).toHaveLength(3);
  await third.stop();
});

it('moves a running machine to another host, keeps it when that is aborted, and knows after a restart where it is', async () => {
  const broker = new MemoryBroker();
  const plane = await listen(broker);
  const first = await fleet(broker, 2);
  const [source, destination] = first.hosts as [SimulatedHost, SimulatedHost];
  const id = newUuid();
  const told = async (host: SimulatedHost, sent: HostCommand) => {
    await plane.commands.client(hostAgentContract, { hostId: host.id }).execute(sent);
    await plane.until(() => plane.reports.some(({ commandId }) => commandId === sent.commandId));
    return plane.reports.find(({ commandId }) => commandId === sent.commandId)!;
  };
  const on = (verb: string, args: unknown = {}) => command(verb, { instanceId: id, args });
  const spec = { ...(command('build').args as object), instanceId: id };
  await plane.until(() => plane.beats.size === 2);
  const { migrationUri } = plane.beats.get(destination.id)!.facts;
  await told(source, on('build', spec));
  const limits = { maxDowntimeMs: 500, deadlineMs: 600_000, postCopy: true };
  const move = (places: unknown) => on('migrateLive', { migrationId: newUuid(), destination: { uri: migrationUri, address: '127.0.0.1', places }, limits });

  const prepared = await told(destination, on('prepareMigration', spec));
  const aborted = move((prepared.result as { places: unknown }).places);
  const ended = told(source, aborted);
  await plane.until(() => plane.underWay.has(id));
  await plane.commands.client(hostAgentContract, { hostId: source.id }).cancelCommand({ instanceId: id, commandId: aborted.commandId });
  expect(await ended).toMatchObject({ ok: false, error: { message: expect.stringContaining('stayed on this host') } });
  expect((await told(destination, on('finishMigration'))).result).toMatchObject({ standing: 'gone' });
  await told(destination, on('destroy'));

  await told(destination, on('prepareMigration', spec));
  expect(await told(source, move((prepared.result as { places: unknown }).places))).toMatchObject({ ok: true, result: { outcome: 'moved' } });
  expect(await told(destination, on('finishMigration'))).toMatchObject({ ok: true, result: { standing: 'here', powerState: 1 } });
  expect([await source.driver.powerState(id), await destination.driver.powerState(id)]).toEqual([0, 1]);
  await first.stop();

  const second = await fleet(broker, 2);
  expect(await Promise.all(second.hosts.map(({ driver }) => driver.powerState(id)))).toEqual([0, 1]);
  await second.stop();
}, 60_000);
