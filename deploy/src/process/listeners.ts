import { createServer, type AddressInfo, type Server } from 'node:net';

/** A listening socket that a part's supervisor keeps, and how the part is told of it. */
export interface Listener {
  /** Environment variable that gets `fd:N`. */
  env: string;
  host: string;
  port: number;
}

/** Number of the first of them in the supervisor and everything that it starts; systemd has the same rule. */
const FIRST_FD = 3;

export interface OpenListeners {
  fds: number[];
  /** Where each listens, also when port 0 was asked for. */
  port: number[];
  /** Closes our copies; who was given the sockets keeps theirs. */
  close(): void;
}

/** Opens listening sockets to be handed to a child as descriptors 3, 4, ... Throws when an address is taken. */
export async function openListeners(listeners: readonly Listener[]): Promise<OpenListeners> {
  const servers: Server[] = [];
  try {
    for (const { host, port } of listeners) {
      const server = createServer();
      await new Promise<void>((resolve, reject) => server.once('error', reject).listen({ host, port, backlog: 1024 }, resolve));
      servers.push(server);
    }
  } catch (error) {
    for (const server of servers) server.close();
    throw error;
  }
  return {
    fds: servers.map((server) => (server as unknown as { _handle: { fd: number } })._handle.fd),
    port: servers.map((server) => (server.address() as AddressInfo).port),
    close: () => { for (const server of servers) server.close(); },
  };
}

/** Shell lines that tell a part of the sockets, if it was given them; else it opens its own. */
export const listenerLines = (listeners: readonly Listener[]): string =>
  listeners.map(({ env }, index) => `if [[ -S /proc/self/fd/${FIRST_FD + index} ]]; then export ${env}=fd:${FIRST_FD + index}; fi\n`).join('');
