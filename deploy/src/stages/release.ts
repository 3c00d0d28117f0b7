import { chmodSync, cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Site } from '../site';

/**
 * Copies the bundles to `<state>/release`: what runs is then no concern of the checkout, which may lie in a home
 * directory that the services' user cannot read and may be rebuilt at any time. Files are replaced one by one, and only
 * those that differ.
 */
export function installRelease(site: Site): string {
  const files = [
    ...bundles(join(site.root, 'dist/apps')).map((file) => [join(site.root, 'dist/apps', file), join(site.release, 'apps', file)] as const),
    ...['main.enrolment.js'].map((file) => [join(site.root, 'dist/deploy', file), join(site.release, 'deploy', file)] as const),
    ...['supervise.sh', 'keep-logs.sh'].map((file) => [join(site.root, 'deploy', file), join(site.release, file)] as const),
  ];
  let replaced = 0;
  for (const [from, to] of files) {
    if (existsSync(to) && readFileSync(to).equals(readFileSync(from))) continue;
    mkdirSync(dirname(to), { recursive: true, mode: 0o755 });
    cpSync(from, `${to}.new`);
    chmodSync(`${to}.new`, 0o644);
    renameSync(`${to}.new`, to);
    replaced++;
  }
  return `${replaced} of ${files.length} files new`;
}

function bundles(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js')) : [];
}
