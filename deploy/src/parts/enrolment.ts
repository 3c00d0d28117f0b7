import { join } from 'node:path';
import { IDENTITY_FILES } from '@virga/mutual-tls';
import { quote } from '../env-file';
import { listenHealth } from '../health/socket-health';
import { enrolmentIdentity } from '../pki/identities';
import type { Site } from '../site';
import { nodeCommand } from './apps';
import type { Part } from './part';

/** What letting a machine in takes of root's powers: files that belong to others, and the broker's tool as the broker's user. */
const CAPABILITIES = ['chown', 'dac_override', 'fowner', 'setuid', 'setgid'];

/** Where machines join. */
export function enrolmentPart(site: Site): Part {
  const program = join(site.release, 'deploy/main.enrolment.js');
  const bounds = ['-all', ...CAPABILITIES.map((name) => `+${name}`)].join(',');
  return {
    name: 'enrolment',
    group: 'service',
    after: ['rabbitmq', 'identity', 'compute-api'],
    script: `exec setpriv --no-new-privs --inh-caps=-all --bounding-set=${bounds} ${nodeCommand(64)} ${quote(program)}`,
    env: { NODE_ENV: 'production', MALLOC_ARENA_MAX: '2', VIRGA_ROOT: site.root, VIRGA_STATE: site.state },
    files: [program, join(enrolmentIdentity(site), IDENTITY_FILES.cert)],
    health: () => listenHealth(site.management.address, site.ports.enrolment),
    startTimeoutMs: 30_000,
    stopTimeoutMs: 20_000,
  };
}
