import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BuildSpec } from '@virga/contracts';
import { DefineFlag, LibvirtConnection, LibvirtHost, MetadataType } from '@virga/libvirt';
import { PrivateLibvirtd } from '@virga/libvirt/testing';
import { describeDriver, type DriverUnderTest } from '../driver-conformance';
import type { GuestNic, GuestParts } from '../virt-driver';
import { domainXml, METADATA_NAMESPACE } from './domain-xml';
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
    const nic = await this.nic();
    const spec = {
      instanceId, instanceName: `instance-${this.taps.toString(16).padStart(8, '0')}`, displayName, hostname: 'machine',
      projectId: randomUUID(), userId: randomUUID(), flavor: { vcpus: 1, memoryMb: 96, rootGb: 0, ephemeralGb: 0, swapMb: 0, extraSpecs: {} },
      image: { id: randomUUID(), properties: {} }, configDrive: true, ports: [],
    } as unknown as BuildSpec;
    const all: GuestParts = {
      rootDisk: { path: at('disk'), backing: { path: at('base'), format: 'raw' } },
      ephemeralDisks: [sparse('disk.eph0', 1 << 20)], swapDisk: sparse('disk.swap', 1 << 20), configDrive: at('disk.config'),
      nics: [nic],
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

  async file(): Promise<string> {
    return join(this.directory, randomUUID());
  }

  async nic(): Promise<GuestNic> {
    this.taps += 1;
    const tap = `tap${this.taps}`;
    this.inNetwork('ip', 'tuntap', 'add', 'dev', tap, 'mode', 'tap');
    this.inNetwork('ip', 'link', 'set', tap, 'up');
    return { portId: randomUUID(), tap, macAddress: `52:54:00:00:00:${this.taps.toString(16).padStart(2, '0')}`, mtu: 1400 };
  }

  booted(instanceId: string): Promise<void> {
    return withText(this.known(instanceId).parts.consoleLog, 'VIRGA-READY');
  }

  async shutDownByGuest(instanceId: string): Promise<boolean> {
    return readFileSync(this.known(instanceId).parts.consoleLog, 'latin1').includes('VIRGA-POWEROFF');
  }

  /** What a command prints at the guest's serial line. */
  async atShell(instanceId: string, command: string): Promise<string> {
    const { parts } = this.known(instanceId);
    const line = createConnection(parts.serialSocket);
    let said = '';
    line.on('data', (data) => { said += data.toString('latin1'); });
    line.on('error', () => undefined);
    // The first Enter is for the shell to appear; the mark is split so that its echo does not count.
    const typed = ['\n', `${command}; echo EN""D\n`];
    line.write(typed.shift()!);
    await sleep(1_000);
    line.write(typed.shift()!);
    while (!/^END/m.test(said) && !line.closed) await sleep(50);
    line.destroy();
    return said;
  }

  async turnOffInside(instanceId: string): Promise<void> {
    await this.atShell(instanceId, 'poweroff; sleep 60');
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

  /** Runs a command in the daemon's network namespace. */
  inNetwork(...command: string[]): string {
    return run('nsenter', '-t', String(this.daemon.pid()), '-n', ...command);
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

  it('gives libvirt exactly the text that is meant', async () => {
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

  it.each(['kvm', 'qemu'] as const)('writes documents that libvirt\'s schema allows for %s', async (virtType) => {
    const { spec, parts } = await rig.instance({ bootable: true });
    const tablet = { ...spec, image: { ...spec.image, properties: { hw_pointer_model: 'usbtablet' } } };
    for (const [wanted, checksumOffload] of [[spec, true], [spec, false], [tablet, true]] as const) {
      const xml = domainXml(wanted, parts, { ...CONFIGURED, virtType, checksumOffload });
      // The daemon's own check of what it can run comes after the schema's, and may refuse KVM here.
      await libvirt.call('domainDefineXmlFlags', { xml, flags: DefineFlag.VALIDATE }).catch((error: Error) => {
        expect(`${virtType}: ${error.message}`).toMatch(/^kvm: .*domain type kvm/);
      });
    }
    await rig.driver.remove(spec.instanceId);
  });

  it('gives the guest its disks, its address and an identity that cloud-init knows', async () => {
    const { spec, parts } = await rig.instance({ bootable: true });
    await rig.driver.define(spec, parts);
    await rig.driver.start(spec.instanceId);
    await rig.booted(spec.instanceId);
    const log = () => readFileSync(parts.consoleLog, 'latin1');
    expect(log()).toMatch(/^VIRGA-DISK sr0 size=\d+ fs=iso9660 label=config-2 use=config\r$/m);
    expect([...log().matchAll(/^VIRGA-DISK (vd\w) size=(\d+)/gm)].map(([, name, size]) => [name, Number(size)])).toEqual(
      [['vda', 1 << 20], ['vdb', 1 << 20], ['vdc', 1 << 20]]);
    expect(log()).toMatch(new RegExp(`^VIRGA-NOIP eth0 mac=${parts.nics[0]!.macAddress}`, 'm'));
    const typed = await rig.atShell(spec.instanceId, 'cat /sys/class/dmi/id/product_name /sys/class/dmi/id/product_uuid /sys/class/net/eth0/mtu');
    expect(typed).toContain('OpenStack Nova');
    expect(typed.toLowerCase()).toContain(spec.instanceId);
    expect(typed).toMatch(/^1400\r?$/m);

    await rig.driver.pause(spec.instanceId);
    const { nic_details: [nic], memory_details: memory } = await rig.driver.diagnostics(spec.instanceId) as { nic_details: Record<string, number>[]; memory_details: { used: number } };
    // What the guest sent, its calls for an address, is what the host received from the tap.
    const [{ stats64: tap }] = JSON.parse(rig.inNetwork('ip', '-s', '-j', 'link', 'show', 'dev', parts.nics[0]!.tap));
    expect(tap.rx.packets).toBeGreaterThan(0);
    expect(nic).toMatchObject({ tx_packets: tap.rx.packets, tx_octets: tap.rx.bytes, rx_packets: tap.tx.packets, rx_octets: tap.tx.bytes });
    expect(memory.used).toBeLessThanOrEqual(96);
    await rig.driver.remove(spec.instanceId);
  });

  it('keeps the serial output of all boots and shows the screen on the socket only', async () => {
    const { spec, parts } = await rig.instance();
    await rig.driver.define(spec, parts);
    writeFileSync(parts.consoleLog, 'of an earlier boot\n');
    await rig.driver.start(spec.instanceId);
    expect(readFileSync(parts.consoleLog, 'latin1')).toMatch(/^of an earlier boot\n/);
    const greeting = await new Promise((resolve, reject) => {
      const screen = createConnection(parts.vncSocket).once('error', reject).once('data', (data) => { screen.destroy(); resolve(String(data)); });
    });
    expect(greeting).toBe('RFB 003.008\n');
    expect(rig.inNetwork('ss', '-Hlnut').trim()).toBe('');
    await rig.driver.remove(spec.instanceId);
  });

  it('removes a machine whose QEMU hangs', async () => {
    const { spec, parts } = await rig.instance();
    await rig.driver.define(spec, parts);
    await rig.driver.start(spec.instanceId);
    process.kill(rig.daemon.pid(spec.instanceName), 'SIGSTOP');
    await rig.driver.remove(spec.instanceId);
    expect(await rig.driver.powerState(spec.instanceId)).toBe(0);
  });

  it('calls a daemon that is not there retryable', async () => {
    const host = new LibvirtHost({ socketPath: '/nonexistent/libvirt', uri: 'qemu:///system', events: ['lifecycle'], timeouts: { control: 100, ops: 100, stats: 100 } }).start();
    const driver = new LibvirtDriver(host, CONFIGURED);
    try {
      expect(driver.ready).toBe(false);
      for (const doing of [driver.powerState(randomUUID()), driver.list(), driver.facts(), driver.start(randomUUID()), driver.remove(randomUUID())]) {
        await expect(doing).rejects.toMatchObject({ name: 'CloudError', retryable: true });
      }
    } finally {
      await driver.close();
      await host.close();
    }
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

  it('copies a disk that was written to whole, with what lies below it', async () => {
    const { spec, parts } = await rig.instance();
    run('qemu-io', '-f', 'raw', '-c', 'write -P 0x5a 0 64k', parts.rootDisk.backing.path);
    run('qemu-io', '-f', 'qcow2', '-c', 'write -P 0xa5 128k 64k', parts.rootDisk.path);
    await rig.driver.define(spec, parts);
    await rig.driver.start(spec.instanceId);
    const path = await rig.file();
    await rig.driver.copyRootDisk(spec.instanceId, path);
    await rig.driver.remove(spec.instanceId);
    expect(JSON.parse(run('qemu-img', 'info', '--output=json', path))).toEqual(expect.not.objectContaining({ 'backing-filename': expect.anything() }));
    for (const look of ['read -P 0x5a 0 64k', 'read -P 0 64k 64k', 'read -P 0xa5 128k 64k']) expect(run('qemu-io', '-f', 'qcow2', '-c', look, path)).not.toContain('verification failed');
  });

  it('names a refused definition as final and keeps the reason for operators', async () => {
    const { spec, parts } = await rig.instance();
    const driver = new LibvirtDriver(rig.daemon.socketPath, { ...CONFIGURED, machine: 'pc-q35-0.1' });
    try {
      await expect(driver.define(spec, parts)).rejects.toMatchObject({ kind: 'internal', retryable: false, details: { reason: expect.stringContaining('pc-q35-0.1') } });
    } finally {
      await driver.close();
    }
  });
});
