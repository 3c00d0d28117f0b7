import pino from 'pino';
import { currentLogFields } from './context';

export type Logger = pino.Logger;

/** Database drivers hang the statement with its values (hashes, keys, user data) on their errors; that stays out. */
const serializeError = (error: unknown): unknown => {
  if (!(error instanceof Error)) return error;
  const { sql: _sql, sqlMessage: _sqlMessage, ...rest } = pino.stdSerializers.err(error) as unknown as Record<string, unknown>;
  return rest;
};

/**
 * JSON lines on standard output. Fields of the running request (request id, operation id, instance id) are added to
 * every line; anything that is named like a secret is cut.
 */
export function createLogger(app: string, level = 'info'): Logger {
  return pino({
    level,
    base: { app, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: serializeError },
    // A copy: pino writes a line's own fields into what it gets.
    mixin: () => ({ ...currentLogFields() }),
    redact: {
      paths: ['token', '*.token', 'password', '*.password', 'adminPass', '*.adminPass', 'user_data', '*.user_data', 'secret', '*.secret',
        'headers["x-auth-token"]', '*.headers["x-auth-token"]', '*.headers["x-subject-token"]', 'headers.authorization', '*.headers.authorization'],
      censor: '[cut]',
    },
  });
}

/** For tests and tools that must stay silent. */
export const silentLogger: Logger = pino({ level: 'silent' });
