import { createServer } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { FAULT_STYLES } from './faults';
import { answerUnread } from './unread-requests';

/** What a server answers to these bytes. */
async function answerTo(bytes: string, style = FAULT_STYLES.compute): Promise<{ status: string; body: string; head: string }> {
  const server = createServer((_, response) => response.end('read'));
  server.on('clientError', (error, socket) => answerUnread(style, error as { code?: string }, socket as never));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(bytes);
    const answer = await text(socket);
    const [head = '', body = ''] = answer.split('\r\n\r\n');
    return { status: head.split(' ')[1]!, head, body };
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

it('an unknown verb is not implemented, in the envelope of the service', async () => {
  const { status, body, head } = await answerTo('FOO / HTTP/1.1\r\nHost: x\r\n\r\n');
  expect([status, JSON.parse(body)]).toEqual(['501', { notImplemented: { code: 501, message: 'The method is not implemented.' } }]);
  expect(head).toMatch(/X-Openstack-Request-Id: req-/);
  expect(JSON.parse((await answerTo('FOO / HTTP/1.1\r\nHost: x\r\n\r\n', FAULT_STYLES.network as never)).body)).toMatchObject({ NeutronError: { message: 'The method is not implemented.' } });
});

it('headers that are too large, and what is no HTTP at all', async () => {
  expect((await answerTo(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`)).status).toBe('431');
  const { status, body } = await answerTo('GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n');
  expect([status, JSON.parse(body)]).toEqual(['400', { badRequest: { code: 400, message: 'The request cannot be read.' } }]);
});
