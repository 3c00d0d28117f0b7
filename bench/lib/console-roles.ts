import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { createServer as createHttpServer, request } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { LocalConsoles } from '../../apps/compute-agent/src/consoles/console-desk';
import { HostServer } from '../../apps/compute-agent/src/host-server/host-server';
import { CONSOLE_SOCKETS } from '../../apps/compute-agent/src/instances/guest-parts';
import { InstanceStore } from '../../apps/compute-agent/src/instances/instance-store';
import { PublicServer } from '../../apps/console-proxy/src/public-server';
import { openConsole } from '../../apps/console-proxy/src/sessions/open-console';
import type { BuildSpec } from '../../libs/contracts/src';
import { silentLogger } from '../../libs/core/src';
import { readTlsIdentity } from '../../libs/mutual-tls/src';

/** What a process of the benchmark tells when it is ready. */
export interface Ready { port?: number; floodPort?: number; tlsPort?: number; agentUrl?: string; control?: string }

const GUESTS = { flood: '00000000-0000-4000-8000-000000000001', echo: '00000000-0000-4000-8000-000000000002' } as const;
const PIECE = Buffer.alloc(65_536, 'x');
const identityIn = (dir: string, name: string) => readTlsIdentity({ VIRGA_TLS_CA_FILE: join(dir, name, 'ca.pem'), VIRGA_TLS_CERT_FILE: join(dir, name, 'cert.pem'), VIRGA_TLS_KEY_FILE: join(dir, name, 'key.pem') });
const portOf = (server: { address(): unknown }): number => (server.address() as { port: number }).port;

const flood = (socket: Socket): void => {
  const write = () => { while (!socket.destroyed && socket.write(PIECE)); };
  socket.on('drain', write).on('error', () => socket.destroy());
  write();
};
const echo = (socket: Socket): void => { socket.setNoDelay(true).on('error', () => socket.destroy()); socket.pipe(socket); };

/** One guest that sends as fast as it can and one that echoes, each on TCP and as a screen in an instance's directory. */
async function guest(dir: string): Promise<Ready> {
  const store = new InstanceStore(join(dir, 'i'));
  mkdirSync(join(dir, 'i'), { recursive: true });
  const servers = await Promise.all(([['flood', flood], ['echo', echo]] as const).map(async ([name, play]) => {
    await store.create({ instanceId: GUESTS[name] } as BuildSpec);
    const server = createServer(play);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await new Promise<void>((resolve) => createServer(play).listen(join(store.dir(GUESTS[name]), CONSOLE_SOCKETS.vnc), resolve));
    return server;
  }));
  // As QEMU protects a screen on a port (VeNCrypt): TLS from its first byte.
  const protectedFlood = createTlsServer({ ...identityIn(dir, 'host'), minVersion: 'TLSv1.3' }, flood);
  await new Promise<void>((resolve) => protectedFlood.listen(0, '127.0.0.1', resolve));
  return { floodPort: portOf(servers[0]!), port: portOf(servers[1]!), tlsPort: portOf(protectedFlood) };
}

/** The relay of a host; the control plane's part, that it lets a proxy in, comes over HTTP here. */
async function agent(dir: string): Promise<Ready> {
  const server = new HostServer(() => identityIn(dir, 'host'), silentLogger);
  const desk = new LocalConsoles({ driver: { powerState: async () => 1 } as never, store: new InstanceStore(join(dir, 'i')), spice: false }, silentLogger);
  desk.serveOn(server);
  const control = createHttpServer((call, answer) => {
    const [instanceId, hash] = call.url!.slice(1).split('/') as [string, string];
    void desk.grant(instanceId, 'vnc', hash, 10_000).then(() => answer.end());
  });
  await new Promise<void>((resolve) => control.listen(0, '127.0.0.1', resolve));
  return { agentUrl: `https://127.0.0.1:${await server.listen('127.0.0.1', 0)}`, control: `http://127.0.0.1:${portOf(control)}` };
}

/** The proxy, with a control plane that lets in whoever comes. */
async function proxy(dir: string, agentUrl: string, control: string): Promise<Ready> {
  const guestOf = new Map(Object.entries({ flooding: GUESTS.flood, echoing1: GUESTS.echo }).map(([token, id]) => [createHash('sha256').update(token).digest('hex'), id]));
  const door = {
    consoles: {
      async open({ tokenHash, grantHash }: { tokenHash?: string; grantHash: string }) {
        const instanceId = guestOf.get(tokenHash ?? '')!;
        await new Promise((resolve, reject) => request(`${control}/${instanceId}/${grantHash}`, (answer) => answer.resume().on('end', resolve)).on('error', reject).end());
        const holder = { userId: 'u', userDomainId: 'd', projectId: 'p', projectDomainId: 'd', auditIds: [], issuedAt: 0 };
        return { session: { sessionId: randomUUID(), protocol: 'vnc' as const, instanceId, instanceName: 'n', holder, endsAt: 0 }, route: { state: 'ready' as const, hostId: 'h1', agentUrl } };
      },
    },
    identity: () => identityIn(dir, 'proxy'), isRevoked: () => false, logger: silentLogger,
  };
  const server = new PublicServer({ pages: {}, allowedOrigins: new Set(), frameAncestors: '', maxPerAddress: 5000, idleMs: 3_600_000, open: (handshake) => openConsole(door, handshake), opened: () => undefined });
  return { port: await server.listen('127.0.0.1:0') };
}

const ROLES: Record<string, (...args: string[]) => Promise<Ready>> = { guest, agent, proxy };

/** Plays a part of the benchmark until its parent ends it. */
export async function playRole(name: string, args: string[]): Promise<void> {
  process.on('disconnect', () => process.exit());
  process.send!(await ROLES[name]!(...args));
}
