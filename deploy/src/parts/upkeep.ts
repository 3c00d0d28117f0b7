import { join } from 'node:path';
import { quote } from '../env-file';
import type { Site } from '../site';
import type { Part } from './part';

/** Bounds the log files, those of the hosts' daemons included. */
export function logKeeperPart(site: Site): Part {
  const directories = [site.log, ...site.hosts.map((host) => join(host.directory, 'libvirt/log/qemu'))];
  return {
    name: 'log-keeper',
    group: 'upkeep',
    after: [],
    script: `exec /bin/bash ${quote(join(site.release, 'keep-logs.sh'))} ${directories.map(quote).join(' ')}`,
    health: async () => undefined,
    startTimeoutMs: 5_000,
    stopTimeoutMs: 1_000,
  };
}
