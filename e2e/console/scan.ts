import { connect } from 'node:net';

const PORTS = 65_535;
const AT_ONCE = 200;
const WAIT_MS = 1500;

const isOpen = (address: string, port: number): Promise<boolean> => new Promise((resolve) => {
  const socket = connect({ host: address, port, timeout: WAIT_MS });
  const end = (answer: boolean) => { socket.destroy(); resolve(answer); };
  socket.on('connect', () => end(true)).on('error', () => end(false)).on('timeout', () => end(false));
});

/** Every TCP port of an address that takes connections. */
export async function openPorts(address: string): Promise<number[]> {
  const open: number[] = [];
  let next = 1;
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let port = next++; port <= PORTS; port = next++) if (await isOpen(address, port)) open.push(port);
  }));
  return open.sort((a, b) => a - b);
}

/** What a port says by itself, and what it answers to the first bytes of a SPICE client. */
export const greeting = (address: string, port: number): Promise<string> => new Promise((resolve) => {
  let heard = '';
  const socket = connect({ host: address, port });
  const end = () => { socket.destroy(); resolve(heard); };
  setTimeout(end, WAIT_MS);
  socket.on('connect', () => setTimeout(() => socket.write('REDQ\x02\0\0\0\x02\0\0\0\x12\0\0\0' + '\0'.repeat(18)), WAIT_MS / 3)).on('data', (bytes) => { heard += bytes.toString('latin1'); }).on('error', end).on('close', end);
});
