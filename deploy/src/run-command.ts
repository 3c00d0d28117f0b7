import { spawn } from 'node:child_process';

export interface RunOptions {
  /** Written to the command's standard input: the place for what must not be in argv. */
  input?: string;
  env?: Record<string, string>;
  /** Exit codes that are answers, not failures. Default [0]. */
  accept?: number[];
  timeoutMs?: number;
}

export interface RunResult {
  code: number;
  stdout: string;
  stderr: string;
}

export class CommandFailure extends Error {}

/** What a daemon or tool inherits of the environment: nothing of the operator's shell but this. */
export const CLEAN_ENV = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/** Runs a command to its end. Throws CommandFailure with the end of its standard error; never repeats its input. */
export function run(command: string, args: string[], options: RunOptions = {}): Promise<RunResult> {
  const { accept = [0], timeoutMs = 60_000 } = options;
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { env: { ...CLEAN_ENV, ...options.env }, cwd: '/', stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new CommandFailure(`${command} did not end within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => (stdout += chunk));
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (stderr += chunk));
    child.stdin.on('error', () => undefined); // a command may end without reading all
    child.stdin.end(options.input ?? '');
    child.on('error', (error) => { clearTimeout(timer); reject(new CommandFailure(`cannot run ${command}: ${error.message}`)); });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (code !== null && accept.includes(code)) return resolve({ code, stdout, stderr });
      reject(new CommandFailure(`${command} ${args[0] ?? ''} failed (${signal ?? code}): ${(stderr || stdout).trim().slice(-800)}`));
    });
  });
}

/** Runs lines of shell from standard input, so that nothing of them is in argv; the first failure ends it. */
export const runScript = (script: string, options: Omit<RunOptions, 'input'> = {}): Promise<RunResult> =>
  run('/bin/bash', ['-seu', '-o', 'pipefail'], { ...options, input: script });
