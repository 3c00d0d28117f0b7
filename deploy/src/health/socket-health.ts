import { connect, type NetConnectOpts, type Socket } from 'node:net';

/** Connects, sends `hello` (if any), gives the first bytes of the answer to `judge`. Undefined when that is content. */
export function socketHealth(where: NetConnectOpts, hello: Buffer | undefined, judge: (answer: Buffer) => string | undefined, timeoutMs = 3_000): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket: Socket = connect(where);
    const end = (verdict: string | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(verdict);
    };
    const timer = setTimeout(() => end(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.on('connect', () => { if (hello) socket.write(hello); });
    socket.once('data', (answer) => end(judge(answer)));
    socket.on('error', (error) => end(error.message));
    socket.on('close', () => end('closed the connection'));
  });
}

/** MariaDB greets with protocol version 10 behind its four bytes of packet header; 255 there is a refusal. */
export const mariadbHealth = (path: string): Promise<string | undefined> =>
  socketHealth({ path }, undefined, (answer) => (answer[4] === 10 ? undefined : 'refuses connections'));

/** A broker answers the AMQP 0-9-1 protocol header with connection.start: a method frame (1), class 10, method 10. */
export const amqpHealth = (host: string, port: number): Promise<string | undefined> =>
  socketHealth({ host, port }, Buffer.from('AMQP\0\0\x09\x01', 'latin1'), (answer) =>
    answer[0] === 1 && answer.length >= 11 && answer.readUInt16BE(7) === 10 && answer.readUInt16BE(9) === 10 ? undefined : 'does not speak AMQP 0-9-1');

/** epmd answers NAMES_REQ (110) with its own port number as 4 bytes. */
export const epmdHealth = (port: number): Promise<string | undefined> =>
  socketHealth({ host: '127.0.0.1', port }, Buffer.from([0, 1, 110]), (answer) =>
    answer.length >= 4 && answer.readUInt32BE(0) === port ? undefined : 'is not an epmd');

/** An OVSDB server answers `list_dbs`; the database must be among them. */
export const ovsdbHealth = (where: NetConnectOpts, database: string): Promise<string | undefined> =>
  socketHealth(where, Buffer.from('{"method":"list_dbs","params":[],"id":0}'), (answer) =>
    answer.toString('utf8').includes(`"${database}"`) ? undefined : `has no database ${database}`);

/** Asks a daemon of the Open vSwitch family over its control socket. Undefined when the answer matches. */
export const unixctlHealth = (path: string, method: string, args: string[], wanted: RegExp): Promise<string | undefined> =>
  socketHealth({ path }, Buffer.from(JSON.stringify({ id: 0, method, params: args })), (answer) => {
    const text = answer.toString('utf8');
    return wanted.test(text) ? undefined : `${method} answers ${text.trim().slice(0, 200)}`;
  });

/** Somebody takes connections there. */
export const listenHealth = (host: string, port: number, timeoutMs = 3_000): Promise<string | undefined> => new Promise((resolve) => {
  const socket = connect({ host, port, timeout: timeoutMs });
  const end = (verdict: string | undefined): void => { socket.destroy(); resolve(verdict); };
  socket.on('connect', () => end(undefined)).on('timeout', () => end(`no answer within ${timeoutMs} ms`)).on('error', (error) => end(error.message));
});
