import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { internalError } from '@virga/core';

const run = promisify(execFile);

/** Bounds for a tool that reads what others wrote: address space in bytes, CPU time in seconds. */
export interface ToolLimits { addressSpaceBytes: number; cpuSeconds: number }
const DEFAULT_LIMITS: ToolLimits = { addressSpaceBytes: 1 << 30, cpuSeconds: 120 };

/**
 * Runs a tool of the host without a shell, under resource limits. Throws with the tool's own words, cut to a sentence's
 * length. Arguments must not be secrets: anybody on the host can read them.
 */
export async function runTool(command: string, args: string[], options: { signal?: AbortSignal; limits?: ToolLimits; input?: string } = {}): Promise<string> {
  const { addressSpaceBytes, cpuSeconds } = options.limits ?? DEFAULT_LIMITS;
  try {
    const running = run('prlimit', [`--as=${addressSpaceBytes}`, `--cpu=${cpuSeconds}`, command, ...args], { signal: options.signal, maxBuffer: 1 << 20, timeout: 600_000 });
    // One that has failed at once does not read it; how it ended says more.
    running.child.stdin?.on('error', () => undefined).end(options.input);
    const { stdout } = await running;
    return stdout;
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason;
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw internalError(`${command} failed: ${(stderr.trim() || message).slice(0, 500)}`, { cause: error });
  }
}
