import { readFileSync } from 'node:fs';
import { run } from './run-command';

/** Runs every service that needs no root. */
export const SERVICE_USER = 'virga';

export interface UserIds {
  uid: number;
  gid: number;
}

function find(name: string): UserIds | undefined {
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return line ? { uid: Number(uid), gid: Number(gid) } : undefined;
}

/** Throws for a user that does not exist. */
export function userIds(name: string): UserIds {
  const ids = find(name);
  if (!ids) throw new Error(`there is no system user ${name}`);
  return ids;
}

/** A system user without login and home, once for all clouds on the machine. */
export async function ensureServiceUser(): Promise<string> {
  if (find(SERVICE_USER)) return `${SERVICE_USER} exists`;
  await run('useradd', ['--system', '--user-group', '--no-create-home', '--home-dir', '/nonexistent', '--shell', '/usr/sbin/nologin', SERVICE_USER]);
  return `${SERVICE_USER} created`;
}

/** libvirtd does not start without this user, which only Debian's unit package of libvirt would make; same number as there. */
export async function ensureGuestUser(): Promise<void> {
  await run('groupadd', ['--system', '--gid', '64055', 'libvirt-qemu'], { accept: [0, 4, 9] });
  if (!find('libvirt-qemu')) await run('useradd', ['--system', '--uid', '64055', '--gid', 'libvirt-qemu', '--no-create-home', '--home-dir', '/var/lib/libvirt', '--shell', '/usr/sbin/nologin', 'libvirt-qemu']);
  // The group that may open /dev/kvm; not every machine has it.
  if (/^kvm:/m.test(readFileSync('/etc/group', 'utf8'))) await run('usermod', ['--append', '--groups', 'kvm', 'libvirt-qemu']);
}

/** The beginning of a command line that gives root up for good. */
export const asUser = (name: string): string =>
  `setpriv --reuid=${name} --regid=${name} --init-groups --no-new-privs --inh-caps=-all --bounding-set=-all`;
