import { chmodSync, chownSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fleetsOf } from '../parts/rabbitmq';
import type { Site } from '../site';
import { SERVICE_USER, userIds } from '../system-users';

/** Below the state directory, with the modes that services of another user and root's secrets need. */
export function makeDirectories(site: Site): void {
  for (const [path, mode] of [[site.etc, 0o711], [join(site.etc, 'tls'), 0o711], [site.log, 0o700], [site.parts, 0o700], [site.release, 0o755], [join(site.state, 'hosts'), 0o711], [join(site.state, 'data'), 0o711]] as const) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, mode);
  }
  const { uid, gid } = userIds(SERVICE_USER);
  for (const path of [site.run, join(site.state, 'data/identity'), join(site.state, 'data/images'), ...fleetsOf(site).map(() => join(site.state, 'data/fleet'))]) {
    mkdirSync(path, { recursive: true });
    chmodSync(path, path === site.run ? 0o755 : 0o700);
    chownSync(path, uid, gid);
  }
}
