import { Agent, createServer, request, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { drain } from './drain';

let server: Server;
let handle: (request: IncomingMessage, response: ServerResponse) => void;
beforeEach(async () => {
  handle = (_request, response) => response.end('ok');
  server = createServer((incoming, response) => handle(incoming, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => { server.closeAllConnections(); });

const port = () => (server.address() as AddressInfo).port;
const get = (agent: Agent, at = port()) => new Promise<{ status: number; connection: string | undefined; reused: boolean }>((resolve, reject) => {
  const call = request({ host: '127.0.0.1', port: at, agent }, (response) => {
    response.resume().on('end', () => resolve({ status: response.statusCode!, connection: response.headers.connection, reused: call.reusedSocket }));
  });
  call.on('error', reject).end();
});

it('serves what comes on an open connection, says that it is the last, and accepts no new one', async () => {
  const agent = new Agent({ keepAlive: true });
  const at = port();
  expect(await get(agent)).toMatchObject({ status: 200, connection: 'keep-alive' });
  const drained = drain(server, { limitMs: 60_000, quietMs: 60_000 });
  await expect(new Promise((resolve, reject) => connect(at, '127.0.0.1', () => resolve('connected')).on('error', reject))).rejects.toThrow('ECONNREFUSED');
  expect(await get(agent, at)).toEqual({ status: 200, connection: 'close', reused: true });
  expect(await drained).toBe(true);
});

it('waits for a request under way, however long its connection was quiet', async () => {
  const asked = new Promise<ServerResponse>((resolve) => { handle = (_request, response) => resolve(response); });
  const answer = get(new Agent({ keepAlive: true }));
  const response = await asked;
  const drained = drain(server, { limitMs: 60_000, quietMs: 0 });
  await new Promise((resolve) => { setTimeout(resolve, 100); });
  response.end('late');
  expect((await answer).status).toBe(200);
  expect(await drained).toBe(true);
});

it('closes connections on which nothing comes', async () => {
  await get(new Agent({ keepAlive: true }));
  expect(await drain(server, { limitMs: 60_000, quietMs: 20 })).toBe(true);
});

it('gives up what does not end in time, and says so', async () => {
  const asked = new Promise<void>((resolve) => { handle = () => resolve(); });
  get(new Agent()).catch(() => undefined);
  await asked;
  expect(await drain(server, { limitMs: 50, quietMs: 20 })).toBe(false);
});
