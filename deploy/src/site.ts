import { join } from 'node:path';
import { planPorts, type PortPlan } from './ports';

/** What the operator chose; kept in `<state>/site.json`. */
export interface Settings {
  name: string;
  portOffset: number;
  hosts: number;
  /** Hosts that only pretend, in one process; for measurements and tests. */
  simulatedHosts?: number;
  /** Numbers, up to `hosts`, of hosts that were taken away. */
  absentHosts?: number[];
  /** Speed of the hosts' management and migration links (see linkRate), and of single hosts by name. */
  migrationRate?: string;
  migrationRates?: Record<string, string>;
  managementCidr: string;
  externalCidr: string;
  virtType: 'kvm' | 'qemu' | 'probe';
  /** This machine is no cloud but a host of another machine's. */
  membership?: Membership;
  /** Whether guests that are made from now on show their screens by SPICE besides VNC. */
  spice?: boolean;
  /** One directory of the machine for the disks of all hosts' instances. */
  sharedStorage?: boolean;
}

/** What a machine that has joined knows of itself; the rest of the settings are its cloud's. */
export interface Membership {
  host: string;
  hostId: string;
  address: string;
  tunnelAddress: string;
  /** Network interfaces that this host's switch takes for itself. */
  tunnelInterface: string;
  externalInterface?: string;
  /** Where the controller is on the management network. */
  controller: string;
}

export const DEFAULT_SETTINGS = { name: 'vg', portOffset: 0, hosts: 1, virtType: 'probe' } as const;

/** One end in the machine's (or the fabric's) namespace, the other inside the host. At most 15 characters each. */
export interface Link {
  outside: string;
  inside: string;
}

export interface HostPlan {
  /** 1-based. */
  index: number;
  /** As the hypervisor and the chassis are called. */
  name: string;
  netns: string;
  directory: string;
  managementAddress: string;
  tunnelAddress: string;
  links: { management: Link; tunnel: Link; external: Link };
  /** Set for a host that is this whole machine: it has the machine's network, and interfaces of its own instead of links. */
  machine?: true;
}

export interface Site {
  settings: Settings;
  /** The checkout that `virga` was started from. */
  root: string;
  state: string;
  etc: string;
  run: string;
  log: string;
  parts: string;
  /** Copies of the bundles that are running. */
  release: string;
  ports: PortPlan;
  management: { bridge: string; address: string; cidr: string };
  external: { bridge: string; address: string; cidr: string; pool: [string, string] };
  /** Namespace with the bridge that carries the hosts' tunnels. */
  fabric: { netns: string; bridge: string };
  hosts: HostPlan[];
  publicUrls: { identity: string; compute: string; network: string; image: string };
}

/** Every name, path, port and address of a cloud from the settings: nothing else decides them. */
export function planSite(root: string, state: string, settings: Settings, portTable: string): Site {
  const ports = planPorts(portTable, settings.portOffset);
  const management = prefixOf(settings.managementCidr);
  const external = prefixOf(settings.externalCidr);
  const { name } = settings;
  const { membership } = settings;
  const url = (port: number) => `http://127.0.0.1:${port}`;
  return {
    settings, root, state, ports,
    etc: join(state, 'etc'),
    run: join(state, 'run'),
    log: join(state, 'log'),
    parts: join(state, 'parts'),
    release: join(state, 'release'),
    management: { bridge: `${name}mgmt`, address: membership?.controller ?? `${management}.1`, cidr: settings.managementCidr },
    external: { bridge: `${name}ext`, address: `${external}.1`, cidr: settings.externalCidr, pool: [`${external}.10`, `${external}.200`] },
    fabric: { netns: `${name}-fabric`, bridge: 'tunnels' },
    hosts: membership ? [planMember(state, name, membership)] : Array.from({ length: settings.hosts }, (_, at) => at + 1).filter((index) => !settings.absentHosts?.includes(index)).map((index) => planHost(state, name, management, index)),
    publicUrls: { identity: url(ports.identity), compute: url(ports.compute), network: url(ports.network), image: url(ports.image) },
  };
}

/** Addresses .1 belong to the machine itself; host N has .10+N. */
function planHost(state: string, name: string, management: string, index: number): HostPlan {
  const host = `host${index}`;
  return {
    index,
    name: host,
    netns: `${name}-${host}`,
    directory: join(state, 'hosts', host),
    managementAddress: `${management}.${10 + index}`,
    // The fabric is a namespace of this cloud alone, so its subnet need not differ between clouds.
    tunnelAddress: tunnelAddressOf(10 + index),
    links: {
      management: { outside: `${name}m${index}`, inside: 'eth0' },
      tunnel: { outside: `${name}t${index}`, inside: 'eth1' },
      external: { outside: `${name}x${index}`, inside: 'eth2' },
    },
  };
}

/** Last bytes of the addresses of machines that join, on the management network and for tunnels; below are those of this machine's own hosts. */
export const FIRST_MEMBER_ADDRESS = 30;
export const LAST_MEMBER_ADDRESS = 254;

export const tunnelAddressOf = (last: number): string => `172.30.0.${last}`;

function planMember(state: string, name: string, { host, address, tunnelAddress, tunnelInterface, externalInterface }: Membership): HostPlan {
  const none = { outside: '', inside: '' };
  return {
    index: 0, name: host, netns: `${name}-${host}`, directory: join(state, 'hosts', host), managementAddress: address, tunnelAddress,
    links: { management: none, tunnel: { ...none, inside: tunnelInterface }, external: { ...none, inside: externalInterface ?? '' } },
    machine: true,
  };
}

const prefixOf = (cidr: string): string => cidr.split('.').slice(0, 3).join('.');

/** The default networks of a cloud with a port offset, so that a second cloud on the machine has its own. */
export function defaultCidrs(portOffset: number): { managementCidr: string; externalCidr: string } {
  const step = portOffset / 100;
  return { managementCidr: `172.30.${255 - step}.0/24`, externalCidr: `172.24.${4 + step}.0/24` };
}
