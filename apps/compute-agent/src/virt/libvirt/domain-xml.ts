import { badRequest, isUuid } from '@virga/core';
import type { BuildSpec } from '@virga/contracts';
import type { GuestNic, GuestParts } from '../virt-driver';
import { element, printable, writeXml, type XmlElement } from './xml';

/** What the operator decides for all guests of a host. */
export interface DomainSettings {
  virtType: 'kvm' | 'qemu';
  /** QEMU machine type, e.g. pc-q35-7.2. */
  machine: string;
  cpuModel: string;
  /** False where the datapath cannot complete checksums and segments that guests leave to it. */
  checksumOffload: boolean;
}

/** Namespace of our element in a domain's metadata; it marks a domain as ours. */
export const METADATA_NAMESPACE = 'urn:virga:instance:1';

/** A domain's name becomes a file name and a QEMU option; libvirt itself refuses less than would be wise. */
const DOMAIN_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;
const LINK_NAME = /^[A-Za-z0-9._-]{1,15}$/;
const MAC = /^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$/i;
/** Bytes that a UNIX socket's address holds, the end mark not counted. */
const SOCKET_PATH_BYTES = 107;

function checked(value: string, pattern: RegExp, what: string): string {
  if (!pattern.test(value)) throw badRequest(`${what} cannot be used on a hypervisor: ${JSON.stringify(value.slice(0, 60))}`);
  return value;
}

function socketPath(path: string): string {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES) throw badRequest(`The path of a socket is longer than ${SOCKET_PATH_BYTES} bytes: ${path}`);
  return path;
}

function metadata(spec: BuildSpec): XmlElement {
  return element('metadata', {}, element('virga:instance', { 'xmlns:virga': METADATA_NAMESPACE },
    element('virga:name', {}, printable(spec.displayName)),
    element('virga:project', { id: printable(spec.projectId) }),
    element('virga:user', { id: printable(spec.userId) }),
    element('virga:image', { id: printable(spec.image.id) })));
}

/** Guests recognise their cloud by the product's name: cloud-init asks for OpenStack's metadata only where it reads this. */
function systemInformation(spec: BuildSpec): XmlElement {
  const entries = { manufacturer: 'Virga', product: 'OpenStack Nova', serial: spec.instanceId, uuid: spec.instanceId, family: 'Virtual Machine' };
  return element('sysinfo', { type: 'smbios' },
    element('system', {}, Object.entries(entries).map(([name, value]) => element('entry', { name }, value))));
}

function boot({ machine }: DomainSettings, { kernel, ramdisk }: GuestParts): XmlElement {
  return element('os', {},
    element('type', { arch: 'x86_64', machine }, 'hvm'),
    kernel && element('kernel', {}, kernel.path),
    kernel && ramdisk && element('initrd', {}, ramdisk.path),
    kernel && kernel.commandLine !== '' ? element('cmdline', {}, kernel.commandLine) : undefined,
    element('smbios', { mode: 'sysinfo' }));
}

/**
 * An emulator keeps its cache of translated code small: by default it takes a good part of the guest's own memory.
 * Nested virtualization is off under KVM: qemu64 would ask for AMD's, which other makers' hosts refuse.
 */
const BY_VIRT_TYPE: Record<DomainSettings['virtType'], (model: string) => XmlElement[]> = {
  kvm: (model) => [
    element('features', {}, element('acpi'), element('apic')),
    element('cpu', { mode: 'custom', match: 'exact', check: 'partial' },
      element('model', { fallback: 'forbid' }, model),
      ['svm', 'vmx'].map((name) => element('feature', { policy: 'disable', name }))),
    element('clock', { offset: 'utc' },
      element('timer', { name: 'pit', tickpolicy: 'delay' }),
      element('timer', { name: 'rtc', tickpolicy: 'catchup' }),
      element('timer', { name: 'hpet', present: 'no' })),
  ],
  qemu: (model) => [
    element('features', {}, element('acpi'), element('apic'), element('tcg', {}, element('tb-cache', { unit: 'MiB' }, '32'))),
    element('cpu', { mode: 'custom', match: 'exact', check: 'none' }, element('model', { fallback: 'forbid' }, model)),
    element('clock', { offset: 'utc' }),
  ],
};

const diskName = (index: number): string => `vd${String.fromCharCode(97 + index)}`;

/**
 * Every layer has its format named and the last one says that nothing is below it, so that QEMU never guesses from
 * content that a guest wrote. Host cache, not O_DIRECT: guests share the pages of their common image, the guest's
 * flushes still reach the disk, and file systems without O_DIRECT (tmpfs) work. Disks that another host goes on with are not cached: it must find what was written.
 */
function disk(path: string, format: 'qcow2' | 'raw', index: number, shared: boolean, backingStore: XmlElement): XmlElement {
  return element('disk', { type: 'file', device: 'disk' },
    element('driver', { name: 'qemu', type: format, cache: shared ? 'none' : 'writeback', discard: 'unmap' }),
    element('source', { file: path }),
    backingStore,
    element('target', { dev: diskName(index), bus: 'virtio' }),
    index === 0 ? element('boot', { order: 1 }) : undefined);
}

function disks({ rootDisk, ephemeralDisks, swapDisk, configDrive, sharedDisks = false }: GuestParts): (XmlElement | undefined)[] {
  const further = swapDisk === undefined ? ephemeralDisks : [...ephemeralDisks, swapDisk];
  if (further.length > 24) throw badRequest('An instance has more disks than there are names for.');
  return [
    disk(rootDisk.path, 'qcow2', 0, sharedDisks, element('backingStore', { type: 'file' },
      element('format', { type: rootDisk.backing.format }),
      element('source', { file: rootDisk.backing.path }),
      element('backingStore'))),
    ...further.map((path, index) => disk(path, 'raw', index + 1, sharedDisks, element('backingStore'))),
    ...(configDrive === undefined ? [] : compactDisc(configDrive)),
  ];
}

/** On virtio-scsi rather than SATA: distributions' cloud kernels come without a driver for the latter. */
function compactDisc(path: string): XmlElement[] {
  return [
    element('controller', { type: 'scsi', index: 0, model: 'virtio-scsi' }),
    element('disk', { type: 'file', device: 'cdrom' },
      element('driver', { name: 'qemu', type: 'raw' }),
      element('source', { file: path }),
      element('backingStore'),
      element('target', { dev: 'sda', bus: 'scsi' }),
      element('readonly')),
  ];
}

const HOST_OFFLOADS = ['csum', 'gso', 'tso4', 'tso6', 'ecn', 'ufo'];
const GUEST_OFFLOADS = ['csum', 'tso4', 'tso6', 'ecn', 'ufo'];
const off = (names: string[]): Record<string, string> => Object.fromEntries(names.map((name) => [name, 'off']));

/** @throws CloudError badRequest for a MAC or a tap's name that is none */
export function nicElement({ tap, macAddress, mtu }: GuestNic, { checksumOffload }: DomainSettings): XmlElement {
  return element('interface', { type: 'ethernet' },
    element('mac', { address: checked(macAddress, MAC, 'A MAC address') }),
    element('target', { dev: checked(tap, LINK_NAME, 'The name of a tap'), managed: 'no' }),
    element('model', { type: 'virtio' }),
    checksumOffload ? undefined : element('driver', {}, element('host', off(HOST_OFFLOADS)), element('guest', off(GUEST_OFFLOADS))),
    element('mtu', { size: mtu }),
    element('rom', { enabled: 'no' }));
}

/** Cards that can be connected to a running guest: each needs a port of the machine that was there when it started. */
const SPARE_PORTS = 4;

/** As many ports as there are devices that take one (disks, cards, balloon, random numbers, the disc's controller), and some more. */
function sparePorts({ ephemeralDisks, swapDisk, configDrive, nics }: GuestParts): XmlElement[] {
  const taken = 1 + ephemeralDisks.length + (swapDisk === undefined ? 0 : 1) + (configDrive === undefined ? 0 : 1) + nics.length + 2;
  return [
    element('controller', { type: 'pci', index: 0, model: 'pcie-root' }),
    ...Array.from({ length: taken + SPARE_PORTS }, () => element('controller', { type: 'pci', model: 'pcie-root-port' })),
  ];
}

/** A tablet lets a pointer be followed exactly but costs a USB controller; nova's image property asks for it. */
function pointer({ image }: BuildSpec): XmlElement[] {
  if (image.properties['hw_pointer_model'] !== 'usbtablet') return [element('controller', { type: 'usb', model: 'none' })];
  return [element('controller', { type: 'usb', model: 'qemu-xhci' }), element('input', { type: 'tablet', bus: 'usb' })];
}

/**
 * Compression that clients in a browser know, no video streams (a text console looks like one to the server), and nothing that
 * reaches from the guest into the viewer's machine.
 */
const spiceScreen = (path: string): XmlElement => element('graphics', { type: 'spice' },
  element('listen', { type: 'socket', socket: socketPath(path) }),
  element('image', { compression: 'lz' }), element('jpeg', { compression: 'never' }), element('zlib', { compression: 'never' }), element('playback', { compression: 'off' }), element('streaming', { mode: 'off' }),
  element('clipboard', { copypaste: 'no' }), element('filetransfer', { enable: 'no' }));

/** Serial line and screen are sockets in the instance's own directory; nothing listens on a network. */
function consoles({ serialSocket, consoleLog, vncSocket, spiceSocket }: GuestParts): XmlElement[] {
  return [
    element('serial', { type: 'unix' },
      element('source', { mode: 'bind', path: socketPath(serialSocket) }),
      element('log', { file: consoleLog, append: 'on' }),
      element('target', { type: 'isa-serial', port: 0 })),
    // Viewers never throw each other out.
    element('graphics', { type: 'vnc', sharePolicy: 'force-shared' }, element('listen', { type: 'socket', socket: socketPath(vncSocket) })),
    ...(spiceSocket === undefined ? [] : [spiceScreen(spiceSocket)]),
    element('video', {}, element('model', { type: 'vga', vram: 16_384, heads: 1, primary: 'yes' })),
  ];
}

/**
 * The machine of an instance, as libvirt's document.
 * @throws CloudError badRequest for a value that no machine can have
 */
export function domainXml(spec: BuildSpec, parts: GuestParts, settings: DomainSettings): string {
  if (!isUuid(spec.instanceId)) throw badRequest('The id of an instance is not a UUID.');
  return writeXml(element('domain', { type: settings.virtType },
    element('name', {}, checked(spec.instanceName, DOMAIN_NAME, 'The name of a domain')),
    element('uuid', {}, spec.instanceId),
    metadata(spec),
    element('memory', { unit: 'MiB' }, String(spec.flavor.memoryMb)),
    element('vcpu', {}, String(spec.flavor.vcpus)),
    systemInformation(spec),
    boot(settings, parts),
    BY_VIRT_TYPE[settings.virtType](settings.cpuModel),
    element('on_poweroff', {}, 'destroy'),
    element('on_reboot', {}, 'restart'),
    element('on_crash', {}, 'destroy'),
    element('devices', {},
      disks(parts),
      parts.nics.map((one) => nicElement(one, settings)),
      sparePorts(parts),
      pointer(spec),
      consoles(parts),
      element('rng', { model: 'virtio' }, element('backend', { model: 'random' }, '/dev/urandom')),
      element('memballoon', { model: 'virtio' }, element('stats', { period: 10 })))));
}
