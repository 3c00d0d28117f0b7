import { spawn, type ChildProcess } from 'node:child_process';
import { mkdir, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errorMessage, type Logger } from '@virga/core';
import type { InstancePort } from '@virga/contracts';
import { listPorts, plugPort, unplugPort, type OpenVSwitchClient } from '@virga/ovsdb';
import { runTool } from '../disks/run-tool';
import { INTEGRATION_BRIDGE } from '../nics/taps';

type MetadataPort = NonNullable<InstancePort['metadataPort']>;

const METADATA_ADDRESS = '169.254.169.254';
const namespaceName = (networkId: string) => `ovnmeta-${networkId}`;
const outerName = (networkId: string) => `meta${networkId.slice(0, 10)}0`;
const innerName = (networkId: string) => `meta${networkId.slice(0, 10)}1`;
const OWNER = 'virga-metadata-network';

/**
 * HAProxy listens inside the network's namespace and hands requests to the agent over a unix socket, which crosses
 * namespaces. It alone says who asked (source address) and where (network): a guest's own headers are replaced.
 */
function proxyConfig(networkId: string, socket: string): string {
  return `global
    maxconn 256
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout http-request 10s
listen metadata
    bind ${METADATA_ADDRESS}:80
    http-request del-header X-Forwarded-For
    http-request del-header X-Virga-Network-Id
    http-request set-header X-Forwarded-For %[src]
    http-request set-header X-Virga-Network-Id ${networkId}
    server agent unix@${socket}
`;
}

/** The metadata ports of this host: one namespace with a proxy for each network that has a guest here. */
export class MetadataNetworks {
  private readonly proxies = new Map<string, ChildProcess>();
  private readonly wanted = new Map<string, MetadataPort>();
  private queue: Promise<void> = Promise.resolve();
  private closing = false;

  constructor(private readonly ovs: OpenVSwitchClient, private readonly runDir: string, private readonly socket: string, private readonly checksumOffload: boolean, private readonly logger: Logger) {}

  /** Makes sure that guests on these ports reach 169.254.169.254. One network at a time: a repeat is cheap. */
  ensure(ports: InstancePort[]): Promise<void> {
    return this.inTurn(async () => {
      for (const { networkId, metadataPort, mtu } of ports) {
        if (!metadataPort) continue;
        this.wanted.set(networkId, metadataPort);
        if (!this.proxies.has(networkId)) await this.realise(networkId, metadataPort, mtu);
      }
    });
  }

  /** Networks of which anything is here: a port on the bridge, a namespace, a proxy. */
  async present(): Promise<string[]> {
    const [ports, namespaces, proxies] = [await listPorts(this.ovs, { bridge: INTEGRATION_BRIDGE }), await runTool('ip', ['netns', 'list']), await this.processes()];
    return [...new Set([
      ...ports.flatMap(({ externalIds }) => externalIds[OWNER] ?? []),
      ...namespaces.split('\n').flatMap((line) => new RegExp(`^${namespaceName('([0-9a-f-]{36})')}\\b`).exec(line)?.[1] ?? []),
      ...proxies.map(({ networkId }) => networkId),
    ])];
  }

  /** Proxies that this process has not started: an agent that was killed leaves its own behind. */
  async superfluousProxies(): Promise<number> {
    const own = new Set([...this.proxies.values()].map(({ pid }) => pid));
    return (await this.processes()).filter(({ pid }) => !own.has(pid)).length;
  }

  /** Every proxy of this host, whoever has started it. */
  private async processes(): Promise<{ pid: number; networkId: string }[]> {
    const host = await readlink('/proc/self/ns/uts');
    const found = await Promise.all((await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(async (name) => {
      const words = (await readFile(`/proc/${name}/cmdline`, 'utf8').catch(() => '')).split('\0');
      const networkId = words[0] === 'haproxy' ? words.find((word) => dirname(word) === this.runDir)?.match(/haproxy-([0-9a-f-]{36})\.cfg$/)?.[1] : undefined;
      if (networkId === undefined || await readlink(`/proc/${name}/ns/uts`).catch(() => '') !== host) return [];
      return [{ pid: Number(name), networkId }];
    }));
    return found.flat();
  }

  /** Ends proxies of the network that are not ours (any more). */
  private async endStrays(networkId: string): Promise<void> {
    const own = this.proxies.get(networkId)?.pid;
    for (const { pid, networkId: of } of await this.processes()) {
      if (of !== networkId || pid === own) continue;
      this.logger.warn({ networkId, pid }, 'metadata proxy of an earlier life ended');
      try { process.kill(pid, 'SIGKILL'); } catch { /* it has just ended */ }
    }
  }

  /** Takes down networks that no instance on this host is on any more. */
  keepOnly(networkIds: ReadonlySet<string>): Promise<void> {
    return this.inTurn(async () => {
      for (const networkId of new Set([...await this.present(), ...this.wanted.keys()])) {
        if (networkIds.has(networkId)) await this.endStrays(networkId);
        else await this.remove(networkId);
      }
    });
  }

  /** Ends the proxies; namespaces and ports stay for the next start of the agent. */
  async close(): Promise<void> {
    this.closing = true;
    await this.queue;
    for (const proxy of this.proxies.values()) proxy.kill('SIGTERM');
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const turn = this.queue.then(work);
    this.queue = turn.catch(() => undefined);
    return turn;
  }

  private async realise(networkId: string, port: MetadataPort, mtu: number): Promise<void> {
    const [namespace, outer, inner] = [namespaceName(networkId), outerName(networkId), innerName(networkId)];
    const inside = (...args: string[]) => runTool('ip', ['-n', namespace, ...args]);
    const namespaces = await runTool('ip', ['netns', 'list']);
    if (!namespaces.split('\n').some((line) => line.split(' ')[0] === namespace)) await runTool('ip', ['netns', 'add', namespace]);
    await inside('link', 'set', 'lo', 'up');
    if (!(await inside('-o', 'link', 'show', 'dev', inner).then(() => true, () => false))) {
      await runTool('ip', ['link', 'delete', 'dev', outer]).catch(() => undefined);
      await runTool('ip', ['link', 'add', outer, 'type', 'veth', 'peer', 'name', inner, 'netns', namespace]);
    }
    await inside('link', 'set', 'dev', inner, 'address', port.macAddress, 'mtu', String(mtu), 'up');
    for (const address of [...port.addresses, `${METADATA_ADDRESS}/32`]) await inside('address', 'replace', address, 'dev', inner);
    // The userspace datapath reads packets as they are: their checksums must have been computed.
    if (!this.checksumOffload) await runTool('ip', ['netns', 'exec', namespace, 'ethtool', '-K', inner, 'tx', 'off']);
    await runTool('ip', ['link', 'set', 'dev', outer, 'up']);
    await plugPort(this.ovs, { bridge: INTEGRATION_BRIDGE, name: outer, externalIds: { 'iface-id': port.portId, [OWNER]: networkId }, appliedWithinMs: 10_000 });
    await this.startProxy(networkId);
  }

  private async startProxy(networkId: string): Promise<void> {
    await mkdir(this.runDir, { recursive: true, mode: 0o700 });
    const config = join(this.runDir, `haproxy-${networkId}.cfg`);
    await writeFile(config, proxyConfig(networkId, this.socket), { mode: 0o600 });
    await this.endStrays(networkId);
    const proxy = spawn('ip', ['netns', 'exec', namespaceName(networkId), 'haproxy', '-db', '-q', '-f', config], { stdio: 'ignore' });
    this.proxies.set(networkId, proxy);
    proxy.once('error', (error) => this.logger.error({ networkId, reason: errorMessage(error) }, 'metadata proxy did not start'));
    proxy.once('exit', (code, signal) => {
      if (this.closing || this.proxies.get(networkId) !== proxy) return;
      this.logger.warn({ networkId, code, signal }, 'metadata proxy ended; starting another');
      setTimeout(() => {
        if (!this.closing && this.proxies.get(networkId) === proxy) void this.inTurn(() => this.startProxy(networkId)).catch((error: unknown) => this.logger.error({ err: error, networkId }, 'metadata proxy not restarted'));
      }, 1000).unref();
    });
  }

  private async remove(networkId: string): Promise<void> {
    this.wanted.delete(networkId);
    const proxy = this.proxies.get(networkId);
    this.proxies.delete(networkId);
    if (proxy && proxy.exitCode === null) {
      const gone = new Promise((resolve) => proxy.once('exit', resolve));
      proxy.kill('SIGTERM');
      await gone;
    }
    await this.endStrays(networkId);
    await unplugPort(this.ovs, { name: outerName(networkId) });
    await runTool('ip', ['netns', 'delete', namespaceName(networkId)]).catch((error: unknown) => this.logger.debug({ reason: errorMessage(error) }, 'namespace was gone'));
    await runTool('ip', ['link', 'delete', 'dev', outerName(networkId)]).catch(() => undefined);
    await rm(join(this.runDir, `haproxy-${networkId}.cfg`), { force: true });
  }
}
