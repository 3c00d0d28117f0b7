/** Against a real libvirtd with QEMU guests (TCG, no operating system: the firmware is guest enough). */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { AbortJobFlag, Affect, BlockCopyFlag, BlockJobAbortFlag, BlockJobStatus, BlockResizeFlag, CreateFlag, DomainState, ErrorCode, JobField, JobOperation } from './constants';
import { LifecycleEvent, LifecycleDetail, ListDomainsFlag, MigrateFlag, MigrateParam, MonitorFlag, PausedReason, ShutoffReason, SnapshotCreateFlag, StatsGroup, UndefineFlag, XmlFlag } from './constants';
import { LibvirtHost } from './pool';
import type { DomainEventMap, DomainEventName } from './protocol/events';
import { numberParam, param, paramsToRecord } from './typed-params';
import { PrivateLibvirtd } from './testing';

const EVENTS: DomainEventName[] = [
  'lifecycle', 'reboot', 'jobCompleted', 'migrationIteration', 'deviceRemoved', 'deviceAdded', 'blockJob2', 'graphics', 'metadataChange',
];
const UUID = '6d6a8d5e-30d5-4c9e-8a52-3f6f0e2a1b01';
const dom = { uuid: UUID, name: 'guest' };
type Seen = { [N in DomainEventName]: [N, DomainEventMap[N]] }[DomainEventName];

class Agent {
  readonly seen: Seen[] = [];
  private constructor(readonly daemon: PrivateLibvirtd, readonly host: LibvirtHost) {
    host.on('domainEvent', (name, event) => this.seen.push([name, event] as Seen));
  }

  static async start(hostname: string): Promise<Agent> {
    const daemon = await PrivateLibvirtd.start(hostname);
    const host = new LibvirtHost({ socketPath: daemon.socketPath, uri: 'qemu:///system', events: EVENTS });
    const agent = new Agent(daemon, host.start());
    await host.ready(60_000);
    return agent;
  }

  /** Resolves once an event of that name fulfils `test`, past ones included. */
  async saw<N extends DomainEventName>(name: N, test: (event: DomainEventMap[N]) => boolean = () => true): Promise<DomainEventMap[N]> {
    for (;;) {
      const found = this.seen.find(([seen, event]) => seen === name && test(event as DomainEventMap[N]));
      if (found) return found[1] as DomainEventMap[N];
      await once(this.host, 'domainEvent');
    }
  }

  lifecycle(event: number, detail?: number): Promise<unknown> {
    return this.saw('lifecycle', (seen) => seen.event === event && (detail === undefined || seen.detail === detail));
  }

  state(): Promise<{ state: number; reason: number }> {
    return this.host.call('domainGetState', { dom });
  }

  async stop(): Promise<void> {
    await this.host.close();
    await this.daemon.stop();
  }
}

let agent: Agent;
let disk: string;

function xml(devices = ''): string {
  // Memory that is not zero, so that a migration takes the time its bandwidth says.
  const ballast = `<qemu:commandline xmlns:qemu="http://libvirt.org/schemas/domain/qemu/1.0">
    <qemu:arg value="-device"/><qemu:arg value="loader,file=${agent.daemon.directory}/ballast,addr=0x1000000,force-raw=on"/></qemu:commandline>`;
  return `<domain type="qemu"><name>guest</name><uuid>${UUID}</uuid><memory unit="MiB">32</memory><vcpu>1</vcpu>
    <os><type arch="x86_64" machine="pc">hvm</type><bios useserial="yes"/></os><features><acpi/></features>
    <devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
      <serial type="pty"/><console type="pty"/><graphics type="vnc" port="-1" autoport="yes" listen="127.0.0.1"/><video><model type="vga"/></video>
      <channel type="unix"><target type="virtio" name="org.qemu.guest_agent.0"/></channel>${devices}
      <memballoon model="none"/></devices>${ballast}</domain>`;
}
const diskXml = (target: string, path: string): string =>
  `<disk type="file" device="disk"><driver name="qemu" type="qcow2"/><source file="${path}"/><target dev="${target}" bus="virtio"/><alias name="ua-${target}"/></disk>`;

async function define(devices = ''): Promise<void> {
  await agent.host.call('domainDefineXmlFlags', { xml: xml(devices) });
}
/** Ends the guest; the daemon answers 55 where it saw the process go before it had finished the call. */
async function remove(): Promise<void> {
  const { host } = agent;
  if ((await host.findDomain(UUID)) === null) return;
  if ((await agent.state()).state !== DomainState.SHUTOFF) {
    await host.call('domainDestroyFlags', { dom }).catch((error: { code: number }) => expect(error.code).toBe(ErrorCode.OPERATION_INVALID));
  }
  await host.call('domainUndefineFlags', {
    dom, flags: UndefineFlag.MANAGED_SAVE | UndefineFlag.SNAPSHOTS_METADATA | UndefineFlag.CHECKPOINTS_METADATA,
  }).catch((error: { code: number }) => expect(error.code).toBe(ErrorCode.NO_DOMAIN));
}

beforeAll(async () => {
  agent = await Agent.start('alpha');
  writeFileSync(`${agent.daemon.directory}/ballast`, randomBytes(12 * 1024 * 1024));
  disk = `${agent.daemon.directory}/disk.qcow2`;
  expect(spawnSync('qemu-img', ['create', '-f', 'qcow2', disk, '8M']).status).toBe(0);
});
afterEach(async () => {
  await remove();
  agent.seen.splice(0);
});
afterAll(() => agent?.stop());

it('a guest lives: define, start, pause, resume, reset, destroy, undefine', async () => {
  const { host } = agent;
  await define();
  await agent.lifecycle(LifecycleEvent.DEFINED, LifecycleDetail.DEFINED.ADDED);
  expect(await host.listDomains(ListDomainsFlag.INACTIVE)).toEqual([{ name: 'guest', uuid: UUID, id: -1 }]);
  expect((await host.call('domainCreateWithFlags', { dom, flags: CreateFlag.START_PAUSED })).dom.id).toBe(1);
  expect(await agent.state()).toEqual({ state: DomainState.PAUSED, reason: PausedReason.USER });
  await host.call('domainResume', { dom });
  expect((await agent.state()).state).toBe(DomainState.RUNNING);
  await host.call('domainSuspend', { dom });
  expect((await agent.state()).state).toBe(DomainState.PAUSED);
  await host.call('domainResume', { dom });
  await host.call('domainReset', { dom });
  await agent.saw('reboot');
  expect((await host.call('domainGetXmlDesc', { dom, flags: XmlFlag.SECURE })).xml).toContain('<name>guest</name>');
  expect(await host.call('domainGetInfo', { dom })).toMatchObject({ state: 1, maxMem: 32768n, memory: 32768n, vcpus: 1 });
  await expect(host.call('domainCreateWithFlags', { dom })).rejects.toMatchObject({ code: ErrorCode.OPERATION_INVALID });
  await host.call('domainDestroyFlags', { dom });
  await agent.lifecycle(LifecycleEvent.STOPPED, LifecycleDetail.STOPPED.DESTROYED);
  expect(await agent.state()).toEqual({ state: DomainState.SHUTOFF, reason: ShutoffReason.DESTROYED });
  await host.call('domainUndefineFlags', { dom });
  await agent.lifecycle(LifecycleEvent.UNDEFINED);
  expect(await host.findDomain(UUID)).toBeNull();
  // QEMU may or may not get to announce its own shutdown before it is gone.
  const course = agent.seen.flatMap(([name, event]) => (name === 'lifecycle' ? [event.event] : []));
  expect(course.filter((event) => event !== LifecycleEvent.SHUTDOWN)).toEqual([0, 2, 3, 4, 3, 4, 5, 1]);
});

it('bad definitions are told apart from missing domains', async () => {
  const { host } = agent;
  await expect(host.call('domainDefineXmlFlags', { xml: '<domain>' })).rejects.toMatchObject({ code: ErrorCode.XML_DETAIL });
  await expect(host.call('domainDefineXmlFlags', { xml: '<domain type="qemu"/>' })).rejects.toMatchObject({ code: ErrorCode.NO_NAME });
  await expect(host.call('domainDefineXmlFlags', { xml: xml().replace('32</memory>', 'x</memory>') })).rejects.toMatchObject({
    code: ErrorCode.XML_ERROR,
  });
  await expect(host.call('domainDestroyFlags', { dom })).rejects.toMatchObject({ code: ErrorCode.NO_DOMAIN });
});

it('its console shows the firmware, and takes input', async () => {
  const { host } = agent;
  await define();
  await host.call('domainCreateWithFlags', { dom, flags: CreateFlag.START_PAUSED });
  const { stream } = await host.openStream('domainOpenConsole', { dom });
  let text = '';
  stream.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  await host.call('domainResume', { dom });
  while (!text.includes('No bootable device')) await once(stream, 'data');
  expect(text).toContain('SeaBIOS');
  expect(stream.write('x')).toBe(true);
  await expect(host.openStream('domainOpenConsole', { dom })).rejects.toMatchObject({ code: ErrorCode.OPERATION_FAILED });
  const ended = once(stream, 'close');
  await host.call('domainDestroyFlags', { dom });
  await ended;
});

it('its screen can be taken', async () => {
  const { host } = agent;
  await define();
  await host.call('domainCreateWithFlags', { dom });
  const { result, stream } = await host.openStream('domainScreenshot', { dom, screen: 0 });
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const magic: Record<string, string> = { 'image/png': '\x89PNG', 'image/x-portable-pixmap': 'P6' };
  expect(Buffer.concat(chunks).toString('latin1').startsWith(magic[result.mime!]!)).toBe(true);
  expect(Buffer.concat(chunks).length).toBeGreaterThan(100);
});

it('devices come and go', async () => {
  const { host } = agent;
  await define('<controller type="pci" index="0" model="pci-root"/>');
  await host.call('domainCreateWithFlags', { dom });
  const nic = '<interface type="user"><mac address="52:54:00:00:00:01"/><model type="virtio"/><alias name="ua-nic"/></interface>';
  await host.call('domainAttachDeviceFlags', { dom, xml: nic, flags: Affect.LIVE | Affect.CONFIG });
  await host.call('domainAttachDeviceFlags', { dom, xml: diskXml('vda', disk), flags: Affect.LIVE });
  await agent.saw('deviceAdded', ({ alias }) => alias === 'ua-vda');
  await expect(host.call('domainAttachDeviceFlags', { dom, xml: diskXml('vda', disk), flags: Affect.LIVE })).rejects.toMatchObject({
    code: ErrorCode.CONFIG_UNSUPPORTED,
  });
  expect(await host.call('domainGetBlockInfo', { dom, path: 'vda' })).toMatchObject({ capacity: 8388608n });
  await host.call('domainBlockResize', { dom, disk: 'vda', size: 16 * 1024 * 1024, flags: BlockResizeFlag.BYTES });
  expect((await host.call('domainGetBlockInfo', { dom, path: 'vda' })).capacity).toBe(16777216n);
  expect(await host.call('domainBlockStats', { dom, path: 'vda' })).toMatchObject({ errors: -1n });
  await host.call('domainSetBlockIoTune', { dom, disk: 'vda', params: [param.ullong('total_iops_sec', 100)], flags: Affect.LIVE });
  const tune = await host.call('domainGetBlockIoTune', { dom, disk: 'vda', count: 32, flags: Affect.LIVE });
  expect(numberParam(tune.params, 'total_iops_sec')).toBe(100);
  const tablet = '<input type="tablet" bus="usb"><alias name="ua-tablet"/></input>';
  await host.call('domainAttachDeviceFlags', { dom, xml: tablet, flags: Affect.LIVE });
  await host.call('domainDetachDeviceAlias', { dom, alias: 'ua-tablet', flags: Affect.LIVE });
  await agent.saw('deviceRemoved', ({ alias }) => alias === 'ua-tablet');
  const absent = nic.replace('00:00:01', '00:00:02').replace('ua-nic', 'ua-none');
  await expect(host.call('domainDetachDeviceFlags', { dom, xml: absent, flags: Affect.LIVE })).rejects.toMatchObject({
    code: ErrorCode.DEVICE_MISSING,
  });
  // By alias this daemon has no code of its own for the same thing.
  await expect(host.call('domainDetachDeviceAlias', { dom, alias: 'ua-none', flags: Affect.LIVE })).rejects.toMatchObject({
    code: ErrorCode.INTERNAL_ERROR, message: expect.stringContaining('ua-none'),
  });
  expect((await host.call('domainGetXmlDesc', { dom, flags: XmlFlag.INACTIVE })).xml).toContain('52:54:00:00:00:01');
});

it('statistics of all kinds', async () => {
  const { host } = agent;
  await define(diskXml('vda', disk) + '<interface type="user"/>');
  await host.call('domainCreateWithFlags', { dom });
  const { records } = await host.call('connectGetAllDomainStats', { doms: [dom], stats: StatsGroup.STATE | StatsGroup.BLOCK | StatsGroup.CPU_TOTAL });
  expect(records.map((record) => record.dom.uuid)).toEqual([UUID]);
  expect(paramsToRecord(records[0]!.params)).toMatchObject({ 'state.state': 1, 'block.count': 1, 'block.0.name': 'vda', 'cpu.time': expect.any(Number) });
  const all = await host.call('connectGetAllDomainStats', { doms: [], stats: 0 });
  expect(all.records.length).toBe(1);
  const { stats } = await host.call('domainMemoryStats', { dom, max: 16 });
  expect(stats.length).toBeGreaterThan(0);
  const { count } = await host.call('domainBlockStatsFlags', { dom, path: 'vda', count: 0 });
  const values = await host.call('domainBlockStatsFlags', { dom, path: 'vda', count });
  expect(values.params.map(({ field }) => field)).toContain('rd_bytes');
  expect((await host.call('domainGetVcpusFlags', { dom })).count).toBe(1);
  expect((await host.call('domainGetVcpus', { dom, maxInfo: 1, mapLength: 1 })).info).toEqual([
    expect.objectContaining({ number: 0, state: 1, cpuTime: expect.any(BigInt) }),
  ]);
  expect((await host.call('domainGetJobStats', { dom })).type).toBe(0);
  expect(await host.call('domainGetJobInfo', { dom })).toMatchObject({ type: 0, memTotal: 0n });
  expect((await host.call('domainGetControlInfo', { dom })).state).toBe(0);
});

it('its monitor and the missing agent answer', async () => {
  const { host } = agent;
  await define();
  await host.call('domainCreateWithFlags', { dom });
  const { result } = await host.call('qemuMonitorCommand', { dom, command: '{"execute":"query-status"}', flags: MonitorFlag.QMP });
  expect(JSON.parse(result).return).toMatchObject({ running: true });
  await expect(host.call('qemuAgentCommand', { dom, command: '{"execute":"guest-ping"}', timeout: 1 })).rejects.toMatchObject({
    code: ErrorCode.AGENT_UNRESPONSIVE,
  });
  await expect(host.call('domainSetUserPassword', { dom, user: 'root', password: 'x' })).rejects.toMatchObject({ code: ErrorCode.AGENT_UNRESPONSIVE });
});

it('it is saved to disk and comes back', async () => {
  const { host } = agent;
  await define();
  await host.call('domainCreateWithFlags', { dom });
  expect(await host.call('domainHasManagedSaveImage', { dom })).toEqual({ result: false });
  await host.call('domainManagedSave', { dom });
  expect(await host.call('domainHasManagedSaveImage', { dom })).toEqual({ result: true });
  expect((await agent.state()).reason).toBe(ShutoffReason.SAVED);
  await host.call('domainCreateWithFlags', { dom });
  await agent.lifecycle(LifecycleEvent.STARTED, LifecycleDetail.STARTED.RESTORED);
  expect(await host.call('domainHasManagedSaveImage', { dom })).toEqual({ result: false });
  const file = `${agent.daemon.directory}/saved`;
  await host.call('domainSaveFlags', { dom, to: file });
  await host.call('domainRestoreFlags', { from: file });
  expect((await agent.state()).state).toBe(DomainState.RUNNING);
  await host.call('domainManagedSave', { dom });
  await host.call('domainManagedSaveRemove', { dom });
  expect(await host.call('domainHasManagedSaveImage', { dom })).toEqual({ result: false });
});

it('disks are copied and snapshots taken while it runs', async () => {
  const { host, daemon } = agent;
  await define(diskXml('vda', disk));
  await host.call('domainCreateWithFlags', { dom });
  const copy = `${daemon.directory}/copy.qcow2`;
  await host.call('domainBlockCopy', {
    dom, path: 'vda', destinationXml: `<disk type="file"><source file="${copy}"/><driver type="qcow2"/></disk>`,
    params: [param.ullong('bandwidth', 0)], flags: BlockCopyFlag.TRANSIENT_JOB,
  });
  await agent.saw('blockJob2', ({ disk: target, status }) => target === 'vda' && status === BlockJobStatus.READY);
  expect(await host.call('domainGetBlockJobInfo', { dom, path: 'vda' })).toMatchObject({ found: 1, type: 2 });
  await host.call('domainBlockJobAbort', { dom, path: 'vda', flags: BlockJobAbortFlag.PIVOT });
  expect((await host.call('domainGetXmlDesc', { dom })).xml).toContain(copy);
  expect(await host.call('domainGetBlockJobInfo', { dom, path: 'vda' })).toMatchObject({ found: 0 });
  const { snap } = await host.call('domainSnapshotCreateXml', {
    dom, xml: '<domainsnapshot><name>s1</name></domainsnapshot>', flags: SnapshotCreateFlag.DISK_ONLY | SnapshotCreateFlag.ATOMIC,
  });
  expect(snap).toMatchObject({ name: 's1', dom: { uuid: UUID } });
  expect((await host.call('domainListAllSnapshots', { dom })).snapshots.map(({ name }) => name)).toEqual(['s1']);
  expect((await host.call('domainSnapshotGetXmlDesc', { snap })).xml).toContain('<name>s1</name>');
  await host.call('domainSnapshotDelete', { snap, flags: 2 });
  expect((await host.call('domainListAllSnapshots', { dom })).count).toBe(0);
});

it('a guest that hangs holds back neither the others nor the watching of it', async () => {
  const { host, daemon } = agent;
  await define();
  await host.call('domainCreateWithFlags', { dom });
  process.kill(daemon.pid('guest'), 'SIGSTOP');
  const suspended = host.call('domainSuspend', { dom }).then(() => 'suspended', () => 'failed');
  const stats = host.call('domainMemoryStats', { dom, max: 8 }).then(() => 'told', () => 'failed');
  for (let i = 0; i < 50; i += 1) expect((await host.listDomains()).length).toBe(1);
  process.kill(daemon.pid('guest'), 'SIGCONT');
  expect(await suspended).toBe('suspended');
  expect(await stats).toBe('told');
});

describe('migration to another host', () => {
  let other: Agent;
  beforeAll(async () => {
    other = await Agent.start('beta');
  });
  afterAll(() => other?.stop());

  const flags = MigrateFlag.LIVE | MigrateFlag.PEER2PEER | MigrateFlag.PERSIST_DEST | MigrateFlag.UNDEFINE_SOURCE | MigrateFlag.POSTCOPY;
  function migrate(from: Agent, to: Agent, bandwidth: number): Promise<unknown> {
    return from.host.call('domainMigratePerform3Params', {
      dom,
      destinationUri: `qemu+unix:///system?socket=${to.daemon.socketPath}`,
      params: [
        param.string(MigrateParam.URI, `unix://${to.daemon.directory}/migrate.sock`),
        param.ullong(MigrateParam.BANDWIDTH, bandwidth),
        param.ullong(MigrateParam.BANDWIDTH_POSTCOPY, 1000),
      ],
      flags,
    });
  }

  it('moves the guest, tells its progress, and can be aborted', async () => {
    const { host } = agent;
    await define();
    await host.call('domainCreateWithFlags', { dom });
    const aborted = migrate(agent, other, 1).catch((error: Error) => error);
    await agent.saw('migrationIteration');
    const stats = await host.call('domainGetJobStats', { dom });
    expect(numberParam(stats.params, JobField.MEMORY_TOTAL)).toBeGreaterThan(0);
    await host.call('domainAbortJob', { dom });
    expect(await aborted).toMatchObject({ name: 'LibvirtError', code: ErrorCode.OPERATION_ABORTED });
    expect((await agent.state()).state).toBe(DomainState.RUNNING);
    expect(await other.host.findDomain(UUID)).toBeNull();

    agent.seen.splice(0);
    const moved = migrate(agent, other, 1);
    await agent.saw('migrationIteration');
    await host.call('domainMigrateSetMaxDowntime', { dom, downtime: 500 });
    expect(await host.call('domainMigrateGetMaxDowntime', { dom })).toEqual({ downtime: 500n });
    await host.call('domainMigrateSetMaxSpeed', { dom, bandwidth: 1000 });
    await moved;
    const { params } = await agent.saw('jobCompleted');
    expect(paramsToRecord(params)).toMatchObject({ operation: JobOperation.MIGRATION_OUT, [JobField.MEMORY_TOTAL]: expect.any(Number) });
    await other.lifecycle(LifecycleEvent.STARTED, LifecycleDetail.STARTED.MIGRATED);
    expect((await other.state()).state).toBe(DomainState.RUNNING);
    expect(await host.findDomain(UUID)).toBeNull();
  });

  it('switches to post-copy on its way back', async () => {
    if ((await other.host.findDomain(UUID)) === null) throw new Error('the guest did not arrive');
    other.seen.splice(0);
    const moved = migrate(other, agent, 1);
    await other.saw('migrationIteration');
    await other.host.call('domainMigrateStartPostCopy', { dom });
    await other.lifecycle(LifecycleEvent.SUSPENDED, LifecycleDetail.SUSPENDED.POSTCOPY);
    await moved;
    // The destination says POSTCOPY only when pages are still missing at that moment.
    const { MIGRATED, POSTCOPY } = LifecycleDetail.RESUMED;
    await agent.saw('lifecycle', ({ event, detail }) => event === LifecycleEvent.RESUMED && [MIGRATED, POSTCOPY].includes(detail as never));
    expect((await agent.state()).state).toBe(DomainState.RUNNING);
    expect(await other.host.findDomain(UUID)).toBeNull();
  });

  it('cannot abort what does not run', async () => {
    const { host } = agent;
    await define();
    await expect(host.call('domainAbortJob', { dom })).rejects.toMatchObject({ code: ErrorCode.OPERATION_INVALID });
    await expect(host.call('domainAbortJobFlags', { dom, flags: AbortJobFlag.POSTCOPY })).rejects.toMatchObject({ code: ErrorCode.OPERATION_INVALID });
  });
});
