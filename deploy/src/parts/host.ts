import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { IDENTITY_FILES } from '@virga/mutual-tls';
import { quote } from '../env-file';
import { ovsdbHealth, unixctlHealth } from '../health/socket-health';
import { chassisIdentity, hostIdentity, ovnTlsOptions } from '../pki/identities';
import { commOf } from '../process/processes';
import { run } from '../run-command';
import type { HostPlan, Site } from '../site';
import { hostId, inHost, runInHost } from '../stages/host-namespace';
import { UNDERLAY_MTU } from '../stages/plumbing';
import type { Part } from './part';

const LOGGING = '-vconsole:info -vsyslog:off -vfile:off';
const ovsDatabase = (host: HostPlan): string => join(host.directory, 'ovs', 'conf.db');

/** Daemons of a host below the agent. Inside, their sockets are where a host's tools look for them by default. */
export function hostParts(host: HostPlan): Part[] {
  const common = { group: 'host' as const, host: host.name, startTimeoutMs: 30_000, stopTimeoutMs: 10_000 };
  const enter = inHost(host);
  const socket = (path: string): string => join(host.directory, 'run', path);
  return [
    {
      ...common,
      name: `${host.name}-ovsdb`,
      after: [],
      script: `exec ${enter} ovsdb-server ${quote(ovsDatabase(host))} --remote=punix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/ovsdb.ctl ${LOGGING}`,
      health: () => ovsdbHealth({ path: socket('openvswitch/db.sock') }, 'Open_vSwitch'),
    },
    {
      ...common,
      name: `${host.name}-vswitchd`,
      after: [`${host.name}-ovsdb`],
      // The tunnels' address is on a port that the switch itself makes: it must come back whenever the switch does.
      script: [
        `${enter} /bin/bash -c ${quote(`for i in {1..300}; do [ -e /sys/class/net/br-phy ] && break; sleep 0.1; done; `
          + `ip addr replace ${host.tunnelAddress}/24 dev br-phy && ip link set br-phy mtu ${UNDERLAY_MTU} up`)} &`,
        `exec ${enter} ovs-vswitchd unix:/run/openvswitch/db.sock --unixctl=/run/openvswitch/vswitchd.ctl ${LOGGING}`,
      ].join('\n'),
      health: () => unixctlHealth(socket('openvswitch/vswitchd.ctl'), 'version', [], /Open vSwitch/),
    },
    {
      ...common,
      name: `${host.name}-ovn-controller`,
      after: [`${host.name}-vswitchd`],
      script: `exec ${enter} ovn-controller unix:/run/openvswitch/db.sock ${ovnTlsOptions(chassisIdentity(host))} ${LOGGING}`,
      files: [join(chassisIdentity(host), IDENTITY_FILES.cert)],
      health: () => controllerHealth(socket('ovn')),
    },
    {
      ...common,
      name: `${host.name}-libvirtd`,
      after: [],
      // Its cache of emulator capabilities holds the CPU's topology leaf, which names the very processor it was read on:
      // on another one the cache does not fit, and every emulator is tried again (8 s). Guests get all processors.
      script: `cpu=$(awk '/^Cpus_allowed_list/ { split($2, cpus, /[-,]/); print cpus[1] }' /proc/self/status)\nexec ${enter} taskset --cpu-list "$cpu" libvirtd --listen`,
      files: [join(host.directory, 'libvirt/etc/libvirtd.conf'), join(host.directory, 'libvirt/etc/qemu.conf'), join(hostIdentity(host), IDENTITY_FILES.cert)],
      // Without a seeded cache it first tries every emulator that is installed.
      startTimeoutMs: 120_000,
      health: () => libvirtHealth(host),
    },
  ];
}

/** Its control socket bears its PID; one that was killed leaves its own behind, and another process may get its number. */
async function controllerHealth(directory: string): Promise<string | undefined> {
  const sockets = controlSockets(readdirSync(directory), commOf);
  if (sockets.length === 0) return 'has no control socket yet';
  const answers = await Promise.all(sockets.map((socket) => unixctlHealth(join(directory, socket), 'connection-status', [], /"connected/)));
  return answers.includes(undefined) ? undefined : answers[0];
}

/** Control sockets out of `files` whose process is an ovn-controller now. */
export const controlSockets = (files: readonly string[], nameOf: (pid: number) => string): string[] => files.filter((file) => {
  const pid = /^ovn-controller\.(\d+)\.ctl$/.exec(file)?.[1];
  return pid !== undefined && nameOf(Number(pid)) === 'ovn-controller';
});

async function libvirtHealth(host: HostPlan): Promise<string | undefined> {
  if (!existsSync(join(host.directory, 'run/libvirt/libvirt-sock'))) return 'has no socket yet';
  const { code, stderr } = await runInHost(host, ['virsh', '--quiet', '--connect', 'qemu:///system', 'version'], 100_000, [0, 1]);
  return code === 0 ? undefined : stderr.trim();
}

export async function prepareHost(site: Site, host: HostPlan): Promise<void> {
  // In place, since the file is mounted over the host's /etc/hosts; hosts may have come since.
  writeFileSync(join(host.directory, 'hosts'), ['127.0.0.1 localhost', ...site.hosts.map((peer) => `${peer.managementAddress} ${peer.name}`), ''].join('\n'));
  const etc = join(host.directory, 'libvirt/etc');
  mkdirSync(etc, { recursive: true });
  writeFileSync(join(etc, 'libvirtd.conf'), [
    // Other hosts' daemons come here to migrate, and nobody else: the CA's certificate must name a host.
    'listen_tls = 1', 'listen_tcp = 0', `listen_addr = "${host.managementAddress}"`, `tls_port = "${site.ports['libvirt-tls']}"`, 'auth_tls = "none"',
    `key_file = "${PKI}/serverkey.pem"`, `cert_file = "${PKI}/servercert.pem"`, `ca_file = "${PKI}/cacert.pem"`, 'tls_allowed_dn_list = ["CN=host:*"]',
    'auth_unix_rw = "none"', 'auth_unix_ro = "none"', 'unix_sock_rw_perms = "0700"', 'unix_sock_ro_perms = "0700"',
    // Hosts of one machine share its machine id; equal UUIDs would refuse a migration between them.
    `host_uuid = "${hostId(host)}"`,
    'log_outputs = "3:stderr"', 'max_client_requests = 20', '',
  ].join('\n'));
  writeFileSync(join(etc, 'qemu.conf'), [
    'user = "root"', 'group = "root"', 'dynamic_ownership = 0', 'remember_owner = 0', 'security_driver = "none"', 'seccomp_sandbox = 1',
    'namespaces = []',
    // Version 1 cgroups of several hosts on one machine would have the same paths.
    'cgroup_controllers = []', 'stdio_handler = "file"',
    'vnc_listen = "127.0.0.1"', 'spice_listen = "127.0.0.1"',
    // Guests' memory and disks never travel in plain text, whatever a migration asks for.
    `migrate_tls_x509_cert_dir = "${PKI}"`, 'migrate_tls_x509_verify = 1', 'migrate_tls_force = 1',
    `migration_address = "${host.managementAddress}"`, `migration_host = "${host.managementAddress}"`, '',
  ].join('\n'));
  linkPki(host, join(etc, 'pki'));
  seedCapabilities(site, host);
  if (!existsSync(ovsDatabase(host))) {
    mkdirSync(join(host.directory, 'ovs'), { recursive: true });
    await run('ovsdb-tool', ['create', ovsDatabase(host), '/usr/share/openvswitch/vswitch.ovsschema']);
  }
}

/** As libvirtd and emulators of a host see their certificates. */
const PKI = '/etc/libvirt/pki';

/** libvirt and QEMU each want the host's three files under names of their own, once as server and once as client. */
function linkPki(host: HostPlan, directory: string): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const names = {
    ca: ['cacert.pem', 'ca-cert.pem'],
    cert: ['servercert.pem', 'clientcert.pem', 'server-cert.pem', 'client-cert.pem'],
    key: ['serverkey.pem', 'clientkey.pem', 'server-key.pem', 'client-key.pem'],
  };
  for (const [part, links] of Object.entries(names)) {
    for (const link of links) {
      rmSync(join(directory, link), { force: true });
      symlinkSync(join(hostIdentity(host), IDENTITY_FILES[part as keyof typeof IDENTITY_FILES]), join(directory, link));
    }
  }
}

/** Where other hosts' libvirt daemons reach this host's, with their own certificates. */
export const migrationUri = (site: Site, host: HostPlan): string => `qemu+tls://${host.managementAddress}:${site.ports['libvirt-tls']}/system?pkipath=${PKI}`;

/** What another host has found out about the emulators holds for all hosts of the machine. */
function seedCapabilities(site: Site, host: HostPlan): void {
  const cache = (of: HostPlan): string => join(of.directory, 'libvirt/cache/qemu/capabilities');
  if (existsSync(cache(host))) return;
  const known = site.hosts.find((other) => other !== host && existsSync(cache(other)));
  if (known) cpSync(cache(known), cache(host), { recursive: true });
}

/** Where hosts reach the southbound database. */
const southboundUrl = (site: Site): string => `ssl:${site.management.address}:${site.ports['ovn-sb']}`;

/** Tells the host's switch who it is and where the southbound database is; before the switch starts. */
export async function describeChassis(site: Site, host: HostPlan): Promise<void> {
  const ids = {
    // A chassis is named as the host is in the API: ports are bound to hosts by name.
    'system-id': host.name,
    hostname: host.name,
    'ovn-remote': southboundUrl(site),
    'ovn-encap-type': 'geneve',
    'ovn-encap-ip': host.tunnelAddress,
    'ovn-bridge-datapath-type': 'netdev',
    // A machine without an interface to the external network leaves that to the others.
    ...(host.links.external.inside !== '' && { 'ovn-bridge-mappings': 'physnet1:br-ex', 'ovn-cms-options': 'enable-chassis-as-gw' }),
  };
  await runInHost(host, ['ovs-vsctl', '--no-wait', '--timeout=20', 'init', '--', 'set', 'Open_vSwitch', '.',
    ...Object.entries(ids).map(([key, value]) => `external_ids:${key}="${value}"`)]);
}

/** Bridges: br-phy with the tunnels' address, br-ex to the external network. A repeat changes nothing. */
export async function createBridges(host: HostPlan): Promise<void> {
  const bridge = (name: string, port: string): string[] =>
    ['--', '--may-exist', 'add-br', name, '--', 'set', 'bridge', name, 'datapath_type=netdev', '--', '--may-exist', 'add-port', name, port];
  await runInHost(host, ['ovs-vsctl', '--timeout=20', ...bridge('br-phy', host.links.tunnel.inside), ...(host.links.external.inside === '' ? [] : bridge('br-ex', host.links.external.inside))]);
  await runInHost(host, ['/bin/bash', '-c', `for i in {1..100}; do ip -4 addr show br-phy 2>/dev/null | grep -q ${host.tunnelAddress} && exit 0; sleep 0.1; done; exit 1`]);
}
