import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { quote } from '../env-file';
import { run, runScript } from '../run-command';
import type { HostPlan, Site } from '../site';
import { claimNetns, UNDERLAY_MTU } from './plumbing';

const namespaceFile = (host: HostPlan, kind: 'mnt' | 'uts'): string => join(host.directory, 'ns', kind);
const readyMark = (host: HostPlan): string => join(host.directory, 'run', 'namespace-ready');

/** Lines that put a command into a host: its network, its view of the file system, its name. */
export const inHost = (host: HostPlan): string =>
  `nsenter ${host.machine ? '' : `--net=/run/netns/${host.netns} `}--mount=${quote(namespaceFile(host, 'mnt'))} --uts=${quote(namespaceFile(host, 'uts'))} --`;
export const inHostArgs = (host: HostPlan): string[] =>
  [...(host.machine ? [] : [`--net=/run/netns/${host.netns}`]), `--mount=${namespaceFile(host, 'mnt')}`, `--uts=${namespaceFile(host, 'uts')}`, '--'];

/** The host's id for its whole life: libvirt's host UUID, the chassis' name, the agent's identity. */
export function hostId(host: HostPlan): string {
  const file = join(host.directory, 'id');
  if (!existsSync(file)) {
    mkdirSync(host.directory, { recursive: true });
    writeFileSync(file, `${randomUUID()}\n`);
  }
  return readFileSync(file, 'utf8').trim();
}

/** Inode of the host's UTS namespace while it exists: the mark by which all of its processes are found. */
export function utsInode(host: HostPlan): number | undefined {
  const file = namespaceFile(host, 'uts');
  return existsSync(file) && isNamespaceMount(file) ? statSync(file).ino : undefined;
}

function isNamespaceMount(file: string): boolean {
  return readFileSync('/proc/self/mountinfo', 'utf8').split('\n').some((line) => line.split(' ')[4] === file && line.includes(' - nsfs '));
}

/** True when the host's namespaces exist in full; a reboot or an interrupted run leaves them in part. */
export const namespaceExists = (host: HostPlan): boolean =>
  (host.machine || existsSync(`/run/netns/${host.netns}`)) && existsSync(readyMark(host)) && (['mnt', 'uts'] as const).every((kind) => isNamespaceMount(namespaceFile(host, kind)));

/** Makes the host's namespaces with its links and mounts. They last without any process in them. */
export async function createHostNamespace(site: Site, host: HostPlan): Promise<string> {
  if (namespaceExists(host)) return 'exists';
  await deleteHostNamespace(host);
  if (!host.machine) claimNetns(site, host.netns);
  const { directory: dir, netns } = host;
  for (const path of ['ns', 'run', 'cgroup', 'libvirt/etc', 'libvirt/lib', 'libvirt/log', 'libvirt/cache', 'ovs']) mkdirSync(join(dir, path), { recursive: true });
  writeFileSync(join(dir, 'hosts'), '');
  await runScript([
    `dir=${quote(dir)}; ns=${netns}`,
    // Numbers of the processors that this process may run on, from a list like 0-3,8.
    'processors() { awk \'/^Cpus_allowed_list/ { n = split($2, parts, ","); for (i = 1; i <= n; i++) { m = split(parts[i], ends, "-"); for (c = ends[1]; c <= ends[m]; c++) print c } }\' /proc/self/status; }',
    ...(host.machine ? interfaceLines(host) : linkLines(site, host)),
    // A namespace can be kept by a file only on a mount that passes nothing on.
    'mount --bind "$dir/ns" "$dir/ns"; mount --make-private "$dir/ns"; touch "$dir/ns/mnt" "$dir/ns/uts"',
    // Linux keeps a mount namespace only in an older one, and since 6.18 tells their ages by numbers that each processor
    // takes from a batch of its own: to a cloud in a container, a new namespace may look old. It does not when it is
    // made on the processor that made the container's, so every one is tried.
    'inside=$(mktemp); trap \'rm -f "$inside"\' EXIT; cat >"$inside" <<\'INSIDE\'',
    'set -eu',
    `dir=${quote(dir)}; hostname ${host.name}`,
    ...(host.machine ? [] : [
      'mount --rbind /sys/fs/cgroup "$dir/cgroup"',
      // A sysfs of this network namespace; the cgroup tree stays reachable in it.
      'mount -t sysfs sysfs /sys; mount --rbind "$dir/cgroup" /sys/fs/cgroup; umount -l "$dir/cgroup"',
    ]),
    'mkdir -p /etc/libvirt /var/lib/libvirt /var/log/libvirt /var/cache/libvirt',
    'for part in etc:/etc/libvirt lib:/var/lib/libvirt log:/var/log/libvirt cache:/var/cache/libvirt; do mount --bind "$dir/libvirt/${part%%:*}" "${part#*:}"; done',
    'mount --bind "$dir/hosts" /etc/hosts; mount --bind "$dir/run" /run',
    'mkdir -p /run/lock /run/libvirt /run/openvswitch /run/ovn /run/netns; touch /run/namespace-ready',
    'INSIDE',
    'made=',
    'for cpu in $(processors); do',
    '  if taskset --cpu-list "$cpu" '
      + `${host.machine ? '' : 'nsenter --net=/run/netns/$ns '}` + 'unshare --mount="$dir/ns/mnt" --uts="$dir/ns/uts" --propagation private /bin/bash "$inside" 2>"$inside.log"; then made=1; break; fi',
    '  [ ! -e "$dir/run/namespace-ready" ] || break',
    '  for file in "$dir/ns/mnt" "$dir/ns/uts"; do while mountpoint -q "$file"; do umount "$file"; done; done',
    'done',
    '[ -n "$made" ] || { cat "$inside.log" >&2; exit 1; }; rm -f "$inside.log"',
  ].join('\n'));
  return 'created';
}

/** The network namespace of a host and its links to this machine's bridges. */
function linkLines(site: Site, host: HostPlan): string[] {
  const { links } = host;
  return [
    'ip netns add $ns; ip -n $ns link set lo up',
    // veth OUTSIDE-NAMESPACE-PREFIX OUTSIDE INSIDE
    `ip link add ${links.management.outside} type veth peer name ${links.management.inside} netns $ns`,
    `ip link add ${links.external.outside} type veth peer name ${links.external.inside} netns $ns`,
    `ip -n ${site.fabric.netns} link add ${links.tunnel.outside} mtu ${UNDERLAY_MTU} type veth peer name ${links.tunnel.inside} netns $ns`,
    `ip link set ${links.management.outside} master ${site.management.bridge} up`,
    `ip link set ${links.external.outside} master ${site.external.bridge} up`,
    `ip -n ${site.fabric.netns} link set ${links.tunnel.outside} master ${site.fabric.bridge} up`,
    `ip -n $ns link set ${links.tunnel.inside} mtu ${UNDERLAY_MTU}`,
    `ip -n $ns addr add ${host.managementAddress}/24 dev ${links.management.inside}`,
    `for link in ${links.management.inside} ${links.tunnel.inside} ${links.external.inside}; do ip -n $ns link set $link up; done`,
    // Only the switch speaks on these two.
    `for link in ${links.tunnel.inside} ${links.external.inside}; do ip netns exec $ns sysctl -qw net.ipv6.conf.$link.disable_ipv6=1 || true; done`,
    // The userspace switch reads these with packet sockets: whole packets, real checksums.
    `for link in ${links.tunnel.inside} ${links.external.inside}; do ip netns exec $ns ethtool -K $link tx off gso off tso off gro off >/dev/null; done`,
    `ethtool -K ${links.external.outside} tx off gro off >/dev/null`,
    `ip netns exec ${site.fabric.netns} ethtool -K ${links.tunnel.outside} tx off gro off >/dev/null`,
  ];
}

/** What the host's switch takes of a machine: it alone speaks there, and reads whole packets with real checksums. */
const interfaceLines = ({ links: { tunnel, external } }: HostPlan): string[] => [
  `ip link set ${tunnel.inside} mtu ${UNDERLAY_MTU}`,
  ...[tunnel.inside, external.inside].filter((device) => device !== '').flatMap((device) => [
    `ip link set ${device} up`, `sysctl -qw net.ipv6.conf.${device}.disable_ipv6=1 || true`, `ethtool -K ${device} tx off gso off tso off gro off >/dev/null || true`,
  ]),
];

/** Takes the namespaces away; their processes must have ended. Harmless when there are none or only parts of them. */
export async function deleteHostNamespace(host: HostPlan): Promise<void> {
  const { directory: dir, links, netns } = host;
  await runScript([
    `dir=${quote(dir)}`,
    'for file in "$dir/ns/mnt" "$dir/ns/uts"; do while mountpoint -q "$file" 2>/dev/null; do umount "$file"; done; rm -f "$file"; done',
    'while mountpoint -q "$dir/ns" 2>/dev/null; do umount "$dir/ns"; done',
    ...(host.machine ? [] : [
      `for link in ${links.management.outside} ${links.external.outside}; do [ ! -e "/sys/class/net/$link" ] || ip link delete "$link"; done`,
      `[ ! -e /run/netns/${netns} ] || ip netns delete ${netns}`,
    ]),
  ].join('\n'));
  // What the host's daemons left in its /run: sockets, lock and pid files of a life that is over.
  rmSync(join(dir, 'run'), { recursive: true, force: true });
}

/** Runs a command inside a host. */
export const runInHost = (host: HostPlan, command: string[], timeoutMs = 60_000, accept = [0]): ReturnType<typeof run> =>
  run('nsenter', [...inHostArgs(host), ...command], { timeoutMs, accept });
