import { errorMessage } from '@virga/core';
import { readLaunch } from './load-site';
import { parseOptions, UsageError } from './options';
import { GraphFailure } from './task-graph';
import { destroy } from './verbs/destroy';
import { down } from './verbs/down';
import { host } from './verbs/host';
import { logs } from './verbs/logs';
import { openrc } from './verbs/openrc';
import { restart } from './verbs/restart';
import { status } from './verbs/status';
import { up } from './verbs/up';
import { verify } from './verbs/verify';

const VERBS = { up, status, openrc, logs, down, destroy, verify, host, restart } as const;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  const verb = Object.hasOwn(VERBS, options.verb) ? VERBS[options.verb as keyof typeof VERBS] : undefined;
  if (!verb) throw new UsageError(`unknown command: ${options.verb}`);
  return verb(readLaunch(process.env), options);
}

process.umask(0o022);
// `virga logs | head` ends early; that is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
main().then(
  (code) => { process.exitCode = code; },
  (error: unknown) => {
    process.stderr.write(error instanceof GraphFailure ? '\nvirga: up did not get to its end; what was done stays. Run ./virga up again once the cause is gone.\n' : `virga: ${errorMessage(error)}\n`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  },
);
