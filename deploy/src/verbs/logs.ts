import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadSite, type Launch } from '../load-site';
import { UsageError, type Options } from '../options';

/** The newest lines of every log or of one part's; -f goes on until interrupted. */
export async function logs(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  const all = existsSync(site.log) ? readdirSync(site.log).filter((file) => file.endsWith('.log')).sort() : [];
  const [part] = options.words;
  const files = part === undefined ? all : all.filter((file) => file === `${part}.log`);
  if (files.length === 0) throw new UsageError(`there is no log of ${part ?? 'any part'}; there are: ${all.map((file) => file.replace(/\.log$/, '')).join(', ')}`);
  const args = ['-n', part === undefined ? '5' : '200', ...(options.follow ? ['-F'] : []), ...files.map((file) => join(site.log, file))];
  const tail = spawn('tail', args, { stdio: 'inherit' });
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => tail.kill(name));
  return new Promise((resolve, reject) => {
    tail.on('error', reject);
    tail.on('close', (code) => resolve(options.follow ? 0 : code ?? 0));
  });
}
