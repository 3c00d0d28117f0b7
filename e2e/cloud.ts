import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Result { code: number; stdout: string; stderr: string }

/** Runs a program and gives back how it ended, whatever that was. */
export async function execute(command: string, args: string[], env: Record<string, string> = {}): Promise<Result> {
  try {
    const { stdout, stderr } = await run(command, args, { env: { ...process.env, ...env }, maxBuffer: 64 << 20, timeout: 400_000 });
    return { code: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout = '', stderr = '' } = error as { code?: number | string; stdout?: string; stderr?: string };
    return { code: typeof code === 'number' ? code : 1, stdout, stderr: stderr || String(error) };
  }
}

/** Tries until `check` gives something, asking again every `everyMs`; throws `what` after `timeoutMs`. */
export async function until<T>(what: string, check: () => Promise<T | undefined | false>, timeoutMs = 180_000, everyMs = 1000): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`Waited ${timeoutMs / 1000} s in vain for ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** The cloud under test, as an operator and a user see it: through `./virga` and the stock client. */
export class Cloud {
  /** Options that every `./virga` command of this cloud needs. */
  constructor(readonly state: string, private readonly cloudName: 'virga' | 'virga-demo' = 'virga') {}

  as(cloudName: 'virga' | 'virga-demo'): Cloud {
    return new Cloud(this.state, cloudName);
  }

  virga(...args: string[]): Promise<Result> {
    return execute('./virga', [...args, '--state', this.state]);
  }

  /** The stock client; Debian's Python must be first, another one does not see its packages. */
  client(...args: string[]): Promise<Result> {
    return execute('/usr/bin/openstack', args, { OS_CLOUD: this.cloudName, OS_CLIENT_CONFIG_FILE: `${this.state}/clouds.yaml`, PATH: `/usr/sbin:/usr/bin:/sbin:/bin:${process.env.PATH}` });
  }

  /** As `client`, and it must succeed. */
  async openstack(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.client(...args);
    if (code !== 0) throw new Error(`openstack ${args.join(' ')}: ${stderr.trim() || stdout.trim()}`);
    return stdout;
  }

  /** The parsed answer of a command that knows `-f json`. */
  async json<T = Record<string, unknown>>(...args: string[]): Promise<T> {
    return JSON.parse(await this.openstack(...args, '-f', 'json')) as T;
  }

  /** As `client`, and it must fail; returns what it said. */
  async refused(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.client(...args);
    if (code === 0) throw new Error(`openstack ${args.join(' ')} succeeded: ${stdout}`);
    return stderr.trim();
  }

  status(server: string): Promise<string> {
    return this.openstack('server', 'show', server, '-f', 'value', '-c', 'status').then((text) => text.trim());
  }

  untilStatus(server: string, wanted: string): Promise<string> {
    return until(`${server} to be ${wanted}`, async () => {
      const status = await this.status(server);
      if (status === 'ERROR' && wanted !== 'ERROR') throw new Error(`${server} is in ERROR: ${await this.openstack('server', 'show', server, '-f', 'value', '-c', 'fault')}`);
      return status === wanted && status;
    });
  }

  /** A deletion is accepted at once and done later; until then the server is there, in its task state. */
  untilGone(server: string): Promise<true> {
    return until(`${server} to be gone`, async () => /no server|could not be found/i.test((await this.client('server', 'show', server)).stderr));
  }

  consoleLog(server: string): Promise<string> {
    return this.openstack('console', 'log', 'show', server);
  }

  /** Waits until the guest itself has printed a line; returns the match of its last occurrence. */
  untilPrinted(server: string, pattern: RegExp, timeoutMs?: number): Promise<RegExpMatchArray> {
    const every = new RegExp(pattern.source, pattern.flags.includes('g') ? pattern.flags : `${pattern.flags}g`);
    return until(`${server} to print ${pattern.source}`, async () => [...(await this.consoleLog(server)).matchAll(every)].at(-1), timeoutMs, 2000);
  }

  /** Sends one request to a service of the catalog with a fresh token. */
  async request(service: string, method: string, path: string, options: { headers?: Record<string, string>; body?: string } = {}): Promise<{ status: number; body: any }> {
    const token = (await this.openstack('token', 'issue', '-f', 'value', '-c', 'id')).trim();
    const endpoint = (await this.json<{ URL: string }[]>('endpoint', 'list', '--service', service, '--interface', 'public'))[0]!.URL;
    const answer = await fetch(endpoint + path, { method, headers: { 'x-auth-token': token, ...options.headers }, body: options.body });
    const text = await answer.text();
    return { status: answer.status, body: text.startsWith('{') ? JSON.parse(text) : text };
  }
}
