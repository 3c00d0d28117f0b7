import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { quote } from '../env-file';
import { run, runScript } from '../run-command';
import type { Site } from '../site';

const forwardingFile = (site: Site): string => join(site.state, 'forwarding.saved');
const netnsList = (site: Site): string => join(site.state, 'netns.list');
const tableOf = (site: Site): string => `virga_${site.settings.name}`;

/** Notes a namespace as ours before it is made, so that an interrupted run's leftovers are known. */
export function claimNetns(site: Site, netns: string): void {
  const known = existsSync(netnsList(site)) ? readFileSync(netnsList(site), 'utf8').split('\n').filter(Boolean) : [];
  if (!known.includes(netns)) writeFileSync(netnsList(site), `${[...known, netns].join('\n')}\n`);
}

/** Bridges of the machine, the fabric's namespace, the packet filter and the way out. A repeat changes nothing. */
export async function plumb(site: Site): Promise<string> {
  claimNetns(site, site.fabric.netns);
  const { management, external, fabric } = site;
  await runScript([
    'bridge() {',
    '  [ -e "/sys/class/net/$1" ] || ip link add "$1" type bridge',
    `  ip link set "$1" alias ${quote(`virga:${site.state}`)}`,
    '  ip addr replace "$2/24" dev "$1"',
    '  ip link set "$1" up',
    '}',
    `bridge ${management.bridge} ${management.address}`,
    `bridge ${external.bridge} ${external.address}`,
    // Packets from here reach a userspace switch, which needs real checksums in them.
    `ethtool -K ${external.bridge} tx off >/dev/null`,
    `[ -e /run/netns/${fabric.netns} ] || ip netns add ${fabric.netns}`,
    `ip -n ${fabric.netns} link show ${fabric.bridge} >/dev/null 2>&1 || ip -n ${fabric.netns} link add ${fabric.bridge} mtu ${UNDERLAY_MTU} type bridge`,
    `ip -n ${fabric.netns} link set lo up; ip -n ${fabric.netns} link set ${fabric.bridge} up`,
  ].join('\n'));
  return wayOut(site);
}

/** Room for Geneve's headers around guests' packets of 1500 bytes. */
export const UNDERLAY_MTU = 1600;

interface Saved { device: string; value: string }

const forwardingPath = (device: string): string => `/proc/sys/net/ipv4/conf/${device}/forwarding`;

/**
 * Filter and address translation. Forwarding is switched on for the external bridge and the machine's uplink only, and
 * the filter keeps the uplink from becoming a way to anything else than answers to guests. Where forwarding may not be
 * set, guests reach this machine and nothing beyond.
 */
async function wayOut(site: Site): Promise<string> {
  const uplink = /\bdev (\S+)/.exec((await run('ip', ['-4', 'route', 'show', 'default'])).stdout)?.[1];
  const saved: Saved[] = existsSync(forwardingFile(site)) ? (JSON.parse(readFileSync(forwardingFile(site), 'utf8')) as Saved[]) : [];
  if (uplink && !saved.some(({ device }) => device === uplink)) {
    saved.push({ device: uplink, value: readFileSync(forwardingPath(uplink), 'utf8').trim() });
    writeFileSync(forwardingFile(site), JSON.stringify(saved));
  }
  const wasRouter = saved.find(({ device }) => device === uplink)?.value === '1';
  await run('nft', ['-f', '-'], { input: filterRules(site, uplink, wasRouter) });
  try {
    for (const device of [site.external.bridge, ...(uplink ? [uplink] : [])]) writeFileSync(forwardingPath(device), '1');
    return uplink ? `ready, guests go out through ${uplink}` : 'ready; no default route, so guests reach this machine only';
  } catch {
    return 'ready; forwarding may not be switched on here, so guests reach this machine only';
  }
}

/** The whole table, replaced at once. */
export function filterRules(site: Site, uplink: string | undefined, wasRouter: boolean): string {
  const { management, external } = site;
  const table = `inet ${tableOf(site)}`;
  const forward = uplink === undefined ? [] : [
    `iifname "${uplink}" oifname "${external.bridge}" ct state established,related accept`,
    `iifname "${uplink}" oifname "${external.bridge}" drop`,
    // Answers to guests of another cloud on this machine must pass.
    ...(wasRouter ? [] : [`iifname "${uplink}" oifname != "${external.bridge}" ct state new drop`]),
  ];
  return [
    `table ${table}`,
    `delete table ${table}`,
    `table ${table} {`,
    '  chain input {',
    '    type filter hook input priority filter; policy accept;',
    // Broker and southbound database listen there: no tenant may reach them by way of the external network.
    `    iifname != { "lo", "${management.bridge}" } ip daddr ${management.cidr} drop`,
    '  }',
    '  chain forward {',
    '    type filter hook forward priority filter; policy accept;',
    `    ip daddr ${management.cidr} iifname != "${management.bridge}" drop`,
    ...forward.map((rule) => `    ${rule}`),
    '  }',
    '  chain postrouting {',
    '    type nat hook postrouting priority srcnat; policy accept;',
    `    ip saddr ${external.cidr} oifname != "${external.bridge}" masquerade`,
    '  }',
    '}',
    '',
  ].join('\n');
}

/** Takes back all that plumb made. */
export async function unplumb(site: Site): Promise<void> {
  await run('nft', ['delete', 'table', 'inet', tableOf(site)], { accept: [0, 1] });
  if (existsSync(forwardingFile(site))) {
    for (const { device, value } of JSON.parse(readFileSync(forwardingFile(site), 'utf8')) as Saved[]) {
      if (existsSync(forwardingPath(device))) writeFileSync(forwardingPath(device), value);
    }
    rmSync(forwardingFile(site));
  }
  for (const bridge of [site.management.bridge, site.external.bridge]) {
    const alias = `/sys/class/net/${bridge}/ifalias`;
    if (existsSync(alias) && readFileSync(alias, 'utf8').trim() === `virga:${site.state}`) await run('ip', ['link', 'delete', bridge]);
  }
  for (const netns of existsSync(netnsList(site)) ? readFileSync(netnsList(site), 'utf8').split('\n').filter(Boolean) : []) {
    if (existsSync(`/run/netns/${netns}`)) await run('ip', ['netns', 'delete', netns]);
  }
  rmSync(netnsList(site), { force: true });
}
