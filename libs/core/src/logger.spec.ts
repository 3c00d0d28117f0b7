import { PassThrough } from 'node:stream';
import pino from 'pino';
import { withLogFields } from './context';
import { createLogger } from './logger';

/** What the logger writes, with standard output replaced by a buffer. */
function logged(write: (logger: ReturnType<typeof createLogger>) => void): string {
  const logger = createLogger('test');
  let text = '';
  const sink = new PassThrough();
  sink.on('data', (chunk: Buffer) => { text += chunk.toString(); });
  (logger as unknown as Record<symbol, unknown>)[pino.symbols.streamSym] = sink;
  write(logger);
  return (sink.read() as Buffer | null)?.toString() ?? text;
}

test('an error of the database is logged without its statement', () => {
  const error = Object.assign(new Error('Deadlock found'), { errno: 1213, code: 'ER_LOCK_DEADLOCK', sql: "insert into users values ('$scrypt$secret')", sqlMessage: "near 'secret'" });
  const line = logged((logger) => logger.error({ err: error }, 'request failed'));
  expect(line).toContain('Deadlock found');
  expect(line).toContain('"errno":1213');
  expect(line).not.toContain('secret');
});

test('fields of one line do not get into the next of the same request', () => {
  const lines = logged((logger) => withLogFields({ requestId: 'req-1' }, () => {
    logger.info({ imageId: 'i' }, 'first');
    logger.info('second');
  })).trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines).toEqual([expect.objectContaining({ requestId: 'req-1', imageId: 'i', msg: 'first' }), expect.objectContaining({ requestId: 'req-1', msg: 'second' })]);
  expect(lines[1]).not.toHaveProperty('imageId');
});
