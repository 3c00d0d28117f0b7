import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildSpec } from '@virga/contracts';
import { LibvirtConnection, MetadataType } from '@virga/libvirt';
import { PrivateLibvirtd } from '@virga/libvirt/testing';
import { describeDriver, type DriverUnderTest } from '../driver-conformance';
import type { GuestParts } from '../virt-driver';
import { METADATA_NAMESPACE } from './domain-xml';
import { LibvirtDriver } from './libvirt-driver';
import { one, readXml, textOf } from './read-xml';

const GUEST = join(tmpdir(), 'virga-tiny-guest');
const CONFIGURED = { virtType: 'qemu', machine: 'pc-q35-7.2', cpuModel: 'qemu64', checksumOffload: false } as const;
const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' });
const withText = async (path: string, wanted: string): Promise<void> => {
  while (!existsSync(path) || !readFileSync(path, 'latin1').includes(wanted)) await sleep(100);
};

/** A real daemon of its own with emulated machines; those that need not boot have empty disks. */
class LibvirtRig implements DriverUnderTest {
  private taps = 0;
  private readonly partsOf = new Map<string, { spec: BuildSpec; parts: GuestParts }>();

  private constructor(readonly daemon: PrivateLibvirtd, readonly driver: LibvirtDriver, private readonly directory: string) {}

  static async open(): Promise<LibvirtRig> {
    run(join(__dirname, '../../../../../deploy/guest/build-guest.sh'), GUEST);
    const daemon = await PrivateLibvirtd.start();
    return new LibvirtRig(daemon, new LibvirtDriver(daemon.socketPath, CONFIGURED), mkdtempSync(join(tmpdir(), 'virga-driver-')));
  }

  async instance({ bootable = false, displayName = 'machine', parts = {} }: Parameters<DriverUnderTest['instance']>[0] = {}) {
    const instanceId = randomUUID();
    const directory = join(this.directory, instanceId);
    mkdirSync(directory);
    const at = (name: string) => join(directory, name);
    const sparse = (name: string, bytes: number) => {
      writeFileSync(at(name), '');
      truncateSync(at(name), bytes);
      return at(name);
    };
    sparse('base', 1 << 20);
    run('qemu-img', 'create', '-q', '-f', 'qcow2', '-F', 'raw', '-b', at('base'), at('disk'));
    writeFileSync(at('config-drive-source'), 'x');
    run('genisoimage', '-quiet', '-V', 'config-2', '-R', '-o', at('disk.config'), at('config-drive-source'));
    this.taps += 1;
    const tap = `tap${this.taps}`;
    run('nsenter', '-t', String(this.daemon.pid()), '-n', 'ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap');
    run('nsenter', '-t', String(this.daemon.pid()), '-n', 'ip', 'link', 'set', tap, 'up');
    const spec = {
      instanceId, instanceName: `instance-${this.taps.toString(16).padStart(8, '0')}`, displayName, hostname: 'machine',
      projectId: randomUUID(), userId: randomUUID(), flavor: { vcpus: 1, memoryMb: 96, rootGb: 0, ephemeralGb: 0, swapMb: 0, extraSpecs: {} },
      image: { id: randomUUID(), properties: {} }, configDrive: true, ports: [],
    } as unknown as BuildSpec;
    const all: GuestParts = {
      rootDisk: { path: at('disk'), backing: { path: at('base'), format: 'raw' } },
      ephemeralDisks: [sparse('disk.eph0', 1 << 20)], swapDisk: sparse('disk.swap', 1 << 20), configDrive: at('disk.config'),
      nics: [{ portId: randomUUID(), tap, macAddress: `52:54:00:00:00:${this.taps.toString(16).padStart(2, '0')}`, mtu: 1400 }],
      consoleLog: at('console.log'), serialSocket: at('serial.sock'), vncSocket: at('vnc.sock'),
      ...(bootable && {
        kernel: { path: join(GUEST, 'vmlinuz'), commandLine: 'console=ttyS0 net.ifnames=0 quiet mitigations=off virga.dhcp_wait=1 virga.metadata_wait=1' },
        ramdisk: { path: join(GUEST, 'initrd.gz') },
      }),
      ...parts,
    };
    this.partsOf.set(instanceId, { spec, parts: all });
    return { spec, parts: all };
  }

  booted(instanceId: string): Promise<void> {
    return withText(this.known(instanceId).parts.consoleLog, 'VIRGA-READY');
  }

  async shutDownByGuest(instanceId: string): Promise<boolean> {
    return readFileSync(this.known(instanceId).parts.consoleLog, 'latin1').includes('VIRGA-POWEROFF');
  }

  async turnOffInside(instanceId: string): Promise<void> {
    const { parts } = this.known(instanceId);
    run('python3', '-c', 'import socket,sys,time\ns=socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\ns.send(b"\\n")\ntime.sleep(2)\ns.send(b"poweroff\\n")\ntime.sleep(1)', parts.serialSocket);
  }

  async crash(instanceId: string): Promise<void> {
    process.kill(this.daemon.pid(this.known(instanceId).spec.instanceName), 'SIGKILL');
  }

  async restartHypervisor(): Promise<void> {
    this.daemon.signal('SIGKILL');
  }

  async close(): Promise<void> {
    await this.daemon.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }

  known(instanceId: string) {
    return this.partsOf.get(instanceId)!;
  }
}

describeDriver('libvirt', () => LibvirtRig.open());

describe('libvirt in particular', () => {
  let rig: LibvirtRig;
  let libvirt: LibvirtConnection;
  beforeAll(async () => {
    rig = await LibvirtRig.open();
    libvirt = await LibvirtConnection.open({ socketPath: rig.daemon.socketPath, uri: 'qemu:///system' });
  });
  afterAll(async () => {
    await libvirt?.close();
    await rig?.driver.close();
    await rig?.close();
  });

  it('gives libvirt exactly the text that is meant, and a document that its schema allows', async () => {
    const displayName = `</virga:name><b x='"'>&lt;]]>\r\n\t \u{1F600}`;
    const commandLine = `a="<&'>" ]]> \u{1F600},b=,c`;
    const { spec, parts } = await rig.instance({ bootable: true, displayName });
    await rig.driver.define(spec, { ...parts, kernel: { ...parts.kernel!, commandLine } });
    const dom = { uuid: spec.instanceId };
    const { metadata } = await libvirt.call('domainGetMetadata', { dom, type: MetadataType.ELEMENT, uri: METADATA_NAMESPACE });
    expect(textOf(one(readXml(metadata), 'virga:name') ?? one(readXml(metadata), 'name'))).toBe(displayName);
    const { xml } = await libvirt.call('domainGetXmlDesc', { dom });
    expect(textOf(one(readXml(xml), 'os', 'cmdline'))).toBe(commandLine);
    await rig.driver.remove(spec.instanceId);
  });

  it('does not list domains of others', async () => {
    const uuid = randomUUID();
    await libvirt.call('domainDefineXmlFlags', { xml: `<domain type='qemu'><name>foreign</name><uuid>${uuid}</uuid><memory>65536</memory><os><type>hvm</type></os></domain>` });
    expect(await rig.driver.list()).toEqual([]);
    await libvirt.call('domainUndefineFlags', { dom: { uuid } });
  });

  it('says who changed the power of a machine behind its back', async () => {
    const { spec, parts } = await rig.instance();
    await rig.driver.define(spec, parts);
    await rig.driver.start(spec.instanceId);
    const told = new Promise((resolve) => rig.driver.onPowerChange((...change) => resolve(change)));
    await libvirt.call('domainDestroyFlags', { dom: { uuid: spec.instanceId } });
    expect(await told).toEqual([spec.instanceId, 4, 'stopped by force on the host']);
    await rig.driver.remove(spec.instanceId);
  });

  it('names a refused definition as final and keeps the reason for operators', async () => {
    const { spec, parts } = await rig.instance();
    const driver = new LibvirtDriver(rig.daemon.socketPath, { ...CONFIGURED, machine: 'no-such-machine' });
    try {
      await expect(driver.define(spec, parts)).rejects.toMatchObject({ kind: 'internal', retryable: false, details: { reason: expect.stringContaining('XML error') } });
    } finally {
      await driver.close();
    }
  });
});
