import { request } from 'node:http';
import { createConnection } from 'node:net';
import { text } from 'node:stream/consumers';
import { PublicServer } from './public-server';

const server = new PublicServer();
let port = 0;
beforeAll(async () => { port = await server.listen('127.0.0.1:0'); });
afterAll(() => server.close());

const send = (method: string, path: string, body?: string) =>
  new Promise<{ status: number | undefined; body: string }>((resolve, reject) => {
    const call = request({ host: '127.0.0.1', port, method, path }, async (response) => resolve({ status: response.statusCode, body: await text(response) }));
    call.on('error', reject).end(body);
  });
const raw = async (bytes: string) => {
  const socket = createConnection({ host: '127.0.0.1', port });
  socket.write(bytes);
  return text(socket);
};

test.each([['GET', '/'], ['GET', '/vnc_auto.html?token=abc'], ['POST', '/readyz'], ['DELETE', '/v2.1/servers']])('%s %s is 404 with a sentence', async (method, path) => {
  const answer = await send(method, path, method === 'POST' ? '{"a": 1}' : undefined);
  expect(answer.status).toBe(404);
  expect(answer.body).toBe('No console is served here: graphical and serial consoles are not built yet.\n');
});

test('HEAD has no body', async () => {
  expect(await send('HEAD', '/')).toEqual({ status: 404, body: '' });
});

test('a WebSocket handshake is refused, not accepted and left alone', async () => {
  const answer = await raw('GET /websockify HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n');
  expect(answer).toMatch(/^HTTP\/1\.1 404 /);
  expect(answer).not.toContain('Sec-WebSocket-Accept');
});

test('what is no HTTP is refused and the connection ends', async () => {
  expect(await raw('RFB 003.008\n\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /);
});
