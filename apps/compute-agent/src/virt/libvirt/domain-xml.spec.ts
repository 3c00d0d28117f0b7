import type { BuildSpec } from '@virga/contracts';
import type { GuestParts } from '../virt-driver';
import { domainXml, METADATA_NAMESPACE, type DomainSettings } from './domain-xml';
import { all, one, readXml, textOf } from './read-xml';
import { element, writeXml } from './xml';

const SETTINGS: DomainSettings = { virtType: 'qemu', machine: 'pc-q35-7.2', cpuModel: 'qemu64', checksumOffload: false };

const SPEC = {
  instanceId: '3b9d8a52-4c1f-4f6e-9d5c-0a1b2c3d4e5f', instanceName: 'instance-0000002a', displayName: 'web', hostname: 'web',
  projectId: 'p1', userId: 'u1', flavor: { vcpus: 2, memoryMb: 128, rootGb: 1, ephemeralGb: 1, swapMb: 64, extraSpecs: {} },
  image: { id: 'i1', properties: {} }, configDrive: true, ports: [],
} as unknown as BuildSpec;

const PARTS: GuestParts = {
  rootDisk: { path: '/i/disk', backing: { path: '/c/base', format: 'qcow2' } },
  ephemeralDisks: ['/i/disk.eph0'], swapDisk: '/i/disk.swap', configDrive: '/i/disk.config',
  nics: [{ portId: 'port', tap: 'tap0123', macAddress: 'fa:16:3e:00:00:01', mtu: 1442 }],
  consoleLog: '/i/console.log', serialSocket: '/i/serial.sock', vncSocket: '/i/vnc.sock',
};

const GOLDEN = `<domain type="qemu">
  <name>instance-0000002a</name>
  <uuid>3b9d8a52-4c1f-4f6e-9d5c-0a1b2c3d4e5f</uuid>
  <metadata>
    <virga:instance xmlns:virga="urn:virga:instance:1">
      <virga:name>web</virga:name>
      <virga:project id="p1"/>
      <virga:user id="u1"/>
      <virga:image id="i1"/>
    </virga:instance>
  </metadata>
  <memory unit="MiB">128</memory>
  <vcpu>2</vcpu>
  <sysinfo type="smbios">
    <system>
      <entry name="manufacturer">Virga</entry>
      <entry name="product">OpenStack Nova</entry>
      <entry name="serial">3b9d8a52-4c1f-4f6e-9d5c-0a1b2c3d4e5f</entry>
      <entry name="uuid">3b9d8a52-4c1f-4f6e-9d5c-0a1b2c3d4e5f</entry>
      <entry name="family">Virtual Machine</entry>
    </system>
  </sysinfo>
  <os>
    <type arch="x86_64" machine="pc-q35-7.2">hvm</type>
    <smbios mode="sysinfo"/>
  </os>
  <features>
    <acpi/>
    <apic/>
    <tcg>
      <tb-cache unit="MiB">32</tb-cache>
    </tcg>
  </features>
  <cpu mode="custom" match="exact" check="none">
    <model fallback="forbid">qemu64</model>
  </cpu>
  <clock offset="utc"/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2" cache="writeback" discard="unmap"/>
      <source file="/i/disk"/>
      <backingStore type="file">
        <format type="qcow2"/>
        <source file="/c/base"/>
        <backingStore/>
      </backingStore>
      <target dev="vda" bus="virtio"/>
      <boot order="1"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw" cache="writeback" discard="unmap"/>
      <source file="/i/disk.eph0"/>
      <backingStore/>
      <target dev="vdb" bus="virtio"/>
    </disk>
    <disk type="file" device="disk">
      <driver name="qemu" type="raw" cache="writeback" discard="unmap"/>
      <source file="/i/disk.swap"/>
      <backingStore/>
      <target dev="vdc" bus="virtio"/>
    </disk>
    <controller type="scsi" index="0" model="virtio-scsi"/>
    <disk type="file" device="cdrom">
      <driver name="qemu" type="raw"/>
      <source file="/i/disk.config"/>
      <backingStore/>
      <target dev="sda" bus="scsi"/>
      <readonly/>
    </disk>
    <interface type="ethernet">
      <mac address="fa:16:3e:00:00:01"/>
      <target dev="tap0123" managed="no"/>
      <model type="virtio"/>
      <driver>
        <host csum="off" gso="off" tso4="off" tso6="off" ecn="off" ufo="off"/>
        <guest csum="off" tso4="off" tso6="off" ecn="off" ufo="off"/>
      </driver>
      <mtu size="1442"/>
      <rom enabled="no"/>
    </interface>
    <controller type="pci" index="0" model="pcie-root"/>
${'    <controller type="pci" model="pcie-root-port"/>\n'.repeat(11)}    <controller type="usb" model="none"/>
    <serial type="unix">
      <source mode="bind" path="/i/serial.sock"/>
      <log file="/i/console.log" append="on"/>
      <target type="isa-serial" port="0"/>
    </serial>
    <graphics type="vnc" sharePolicy="force-shared">
      <listen type="socket" socket="/i/vnc.sock"/>
    </graphics>
    <video>
      <model type="vga" vram="16384" heads="1" primary="yes"/>
    </video>
    <rng model="virtio">
      <backend model="random">/dev/urandom</backend>
    </rng>
    <memballoon model="virtio">
      <stats period="10"/>
    </memballoon>
  </devices>
</domain>`;

const HOSTILE: [string, string][] = [
  ['markup', '</virga:name></metadata><devices><hostdev/></devices>'],
  ['both quotes', `' onload='x' " mode="host"`],
  ['entities', '&lt;&#65;&undefined;&'],
  ['the end of a CDATA section', '<![CDATA[ ]]> ]]&gt;'],
  ['a comment', '<!-- --> -- <?xml version="1.0"?>'],
  ['white space', ' \t\n\r\n two lines \r '],
  ['other scripts', '\u{1F600} \u0645\u0631\u062D\u0628\u0627 \u4E2D\u6587 \u{10FFFD}'],
];
const UNSPEAKABLE: [string, string][] = [
  ['NUL', '\0'], ['escape', '\u001b[2J'], ['vertical tab', '\v'], ['half an emoji', '\uD83D'], ['a non-character', '\uFFFE'],
];

describe('domainXml', () => {
  it('is the whole machine', () => {
    expect(domainXml(SPEC, PARTS, SETTINGS)).toBe(GOLDEN);
  });

  it('leaves offloads to the guest where the datapath completes them', () => {
    const nic = one(readXml(domainXml(SPEC, PARTS, { ...SETTINGS, checksumOffload: true })), 'devices', 'interface')!;
    expect(nic.children.map((child) => (typeof child === 'string' ? child : child.name))).toEqual(['mac', 'target', 'model', 'mtu', 'rom']);
  });

  it('has the same model but no emulator settings under KVM', () => {
    const domain = readXml(domainXml(SPEC, PARTS, { ...SETTINGS, virtType: 'kvm' }));
    expect(domain.attributes).toEqual({ type: 'kvm' });
    expect(one(domain, 'cpu')).toEqual(element('cpu', { mode: 'custom', match: 'exact', check: 'partial' },
      element('model', { fallback: 'forbid' }, 'qemu64'),
      element('feature', { policy: 'disable', name: 'svm' }), element('feature', { policy: 'disable', name: 'vmx' })));
    expect(one(domain, 'features', 'tcg')).toBeUndefined();
  });

  it('boots a kernel with its ramdisk and command line', () => {
    const parts = { ...PARTS, kernel: { path: '/c/kernel', commandLine: 'console=ttyS0' }, ramdisk: { path: '/c/ramdisk' } };
    expect(one(readXml(domainXml(SPEC, parts, SETTINGS)), 'os')!.children).toEqual([
      element('type', { arch: 'x86_64', machine: 'pc-q35-7.2' }, 'hvm'), element('kernel', {}, '/c/kernel'),
      element('initrd', {}, '/c/ramdisk'), element('cmdline', {}, 'console=ttyS0'), element('smbios', { mode: 'sysinfo' }),
    ]);
  });

  it('has only the disks and devices that are there', () => {
    const { swapDisk: _swap, configDrive: _drive, ...rest } = PARTS;
    const domain = readXml(domainXml(SPEC, { ...rest, ephemeralDisks: [], nics: [] }, SETTINGS));
    expect(all(domain, 'devices', 'disk')).toHaveLength(1);
    expect(all(domain, 'devices', 'interface')).toHaveLength(0);
    expect(all(domain, 'devices', 'controller').map(({ attributes }) => attributes['type']).filter((type) => type !== 'pci')).toEqual(['usb']);
  });

  it('has a tablet where the image asks for one', () => {
    const spec = { ...SPEC, image: { ...SPEC.image, properties: { hw_pointer_model: 'usbtablet' } } };
    expect(one(readXml(domainXml(spec, PARTS, SETTINGS)), 'devices', 'input')).toEqual(element('input', { type: 'tablet', bus: 'usb' }));
  });

  it('shows its screen by SPICE only where the host is told to, on a socket, and offers the viewer nothing of the guest but the picture', () => {
    const graphics = (parts: GuestParts) => all(readXml(domainXml(SPEC, parts, SETTINGS)), 'devices', 'graphics');
    expect(graphics(PARTS).map(({ attributes }) => attributes['type'])).toEqual(['vnc']);
    const [, spice] = graphics({ ...PARTS, spiceSocket: '/i/spice.sock' });
    expect(spice!.attributes).toEqual({ type: 'spice' });
    expect(one(spice!, 'listen')).toEqual(element('listen', { type: 'socket', socket: '/i/spice.sock' }));
    expect([one(spice!, 'clipboard'), one(spice!, 'filetransfer')]).toEqual([element('clipboard', { copypaste: 'no' }), element('filetransfer', { enable: 'no' })]);
    expect(() => graphics({ ...PARTS, spiceSocket: `/${'x'.repeat(107)}` })).toThrow('longer than 107 bytes');
  });

  it('names the format of every layer of every disk', () => {
    for (const disk of all(readXml(domainXml(SPEC, PARTS, SETTINGS)), 'devices', 'disk')) {
      let layer = disk;
      expect(one(disk, 'driver')!.attributes['type']).toMatch(/^(qcow2|raw)$/);
      for (let below = one(layer, 'backingStore')!; below.children.length > 0; below = one(layer, 'backingStore')!) {
        expect(one(below, 'format')!.attributes['type']).toMatch(/^(qcow2|raw)$/);
        layer = below;
      }
      expect(one(layer, 'backingStore')).toEqual(element('backingStore'));
    }
  });

  describe.each(HOSTILE)('given %s', (_, text) => {
    it.each<[string, (text: string) => [BuildSpec, GuestParts], (xml: string) => string]>([
      ['display name', (value) => [{ ...SPEC, displayName: value }, PARTS], (xml) => textOf(one(readXml(xml), 'metadata', 'virga:instance', 'virga:name'))],
      ['project', (value) => [{ ...SPEC, projectId: value }, PARTS], (xml) => one(readXml(xml), 'metadata', 'virga:instance', 'virga:project')!.attributes['id']!],
      ['command line', (value) => [SPEC, { ...PARTS, kernel: { path: '/k', commandLine: value } }], (xml) => textOf(one(readXml(xml), 'os', 'cmdline'))],
      ['path of a disk', (value) => [SPEC, { ...PARTS, rootDisk: { ...PARTS.rootDisk, path: value } }], (xml) => one(readXml(xml), 'devices', 'disk', 'source')!.attributes['file']!],
    ])('carries it as the %s and changes nothing else', (_place, make, read) => {
      const xml = domainXml(...make(text), SETTINGS);
      expect(read(xml)).toBe(text);
      const names = (root: ReturnType<typeof readXml>): unknown => [root.name, Object.keys(root.attributes), root.children.map((child) => (typeof child === 'string' ? 'text' : names(child)))];
      expect(names(readXml(xml))).toEqual(names(readXml(domainXml(...make('harmless'), SETTINGS))));
    });
    it('refuses it as a name of the domain, a tap or a MAC address', () => {
      expect(() => domainXml({ ...SPEC, instanceName: text }, PARTS, SETTINGS)).toThrow('The name of a domain');
      expect(() => domainXml(SPEC, { ...PARTS, nics: [{ ...PARTS.nics[0]!, tap: text }] }, SETTINGS)).toThrow('The name of a tap');
      expect(() => domainXml(SPEC, { ...PARTS, nics: [{ ...PARTS.nics[0]!, macAddress: text }] }, SETTINGS)).toThrow('A MAC address');
      expect(() => domainXml({ ...SPEC, instanceId: text }, PARTS, SETTINGS)).toThrow('not a UUID');
    });
  });

  describe.each(UNSPEAKABLE)('given %s', (_, text) => {
    it('replaces it where people read', () => {
      const xml = domainXml({ ...SPEC, displayName: `a${text}b`, userId: text }, PARTS, SETTINGS);
      expect(textOf(one(readXml(xml), 'metadata', 'virga:instance', 'virga:name'))).toMatch(/^a\uFFFD.*b$/);
      expect(one(readXml(xml), 'metadata', 'virga:instance', 'virga:user')!.attributes['id']).toMatch(/^\uFFFD/);
    });
    it('refuses it where a machine obeys', () => {
      expect(() => domainXml(SPEC, { ...PARTS, kernel: { path: '/k', commandLine: text } }, SETTINGS)).toThrow('a character that cannot be given');
      expect(() => domainXml(SPEC, { ...PARTS, consoleLog: text }, SETTINGS)).toThrow('a character that cannot be given');
    });
  });

  it.each(['../../etc/passwd', '.hidden', '-option', 'a/b', 'a,b', 'a b', '', 'x'.repeat(101)])('refuses the domain name %j', (instanceName) => {
    expect(() => domainXml({ ...SPEC, instanceName }, PARTS, SETTINGS)).toThrow('The name of a domain');
  });

  it('refuses a socket whose path the kernel would cut', () => {
    expect(() => domainXml(SPEC, { ...PARTS, vncSocket: `/${'ü'.repeat(54)}` }, SETTINGS)).toThrow('longer than 107 bytes');
    expect(() => domainXml(SPEC, { ...PARTS, vncSocket: `/${'ü'.repeat(53)}` }, SETTINGS)).not.toThrow();
  });

  it('refuses more disks than there are names', () => {
    const many = (count: number) => ({ ...PARTS, ephemeralDisks: Array.from({ length: count }, (_, index) => `/i/${index}`) });
    expect(() => domainXml(SPEC, many(24), SETTINGS)).toThrow('more disks');
    expect(one(readXml(domainXml(SPEC, many(23), SETTINGS)), 'devices', 'disk')).toBeDefined();
  });

  it('marks the machine as ours', () => {
    expect(one(readXml(domainXml(SPEC, PARTS, SETTINGS)), 'metadata', 'virga:instance')!.attributes).toEqual({ 'xmlns:virga': METADATA_NAMESPACE });
  });
});

describe('readXml', () => {
  it('reads declarations, comments, CDATA, references and both quotes', () => {
    expect(readXml(`<?xml version='1.0'?><!-- <no/> --><a x='1"' y="2'"><![CDATA[<&]]><b/>&#65;&#x1F600;&amp;lt;</a>\n`)).toEqual(
      element('a', { x: '1"', y: "2'" }, '<&', element('b'), 'A\u{1F600}&lt;'));
  });
  it.each(['', 'text', '<a>', '<a></b>', '<a/><b/>', '<a x=1/>', '<a', '</a>', '<a>&lt;<</a>'])('refuses %j', (xml) => {
    expect(() => readXml(xml)).toThrow('no XML');
  });
  it('reads back what was written', () => {
    const tree = element('a', { b: '\n"\'&<>' }, element('c', {}, element('d', {}, ' & \r < ')), element('e'));
    expect(readXml(writeXml(tree))).toEqual(tree);
  });
});
