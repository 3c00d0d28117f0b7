import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { run } from '../run-command';
import type { Site } from '../site';

export const guestDirectory = (site: Site): string => join(site.state, 'guest');
export const guestDisk = (site: Site): string => join(guestDirectory(site), 'tiny.qcow2');
/** Holds `kvm` or `qemu`; read by the agents' start scripts. */
export const virtTypeFile = (site: Site): string => join(site.etc, 'virt-type');

/** Builds the tiny guest; a second time, with nothing changed, it takes a second. */
export async function buildGuest(site: Site): Promise<string> {
  const existed = existsSync(guestDisk(site));
  await run('/bin/bash', [join(site.root, 'deploy/guest/build-guest.sh'), guestDirectory(site)], { timeoutMs: 240_000, env: { HOME: '/root' } });
  return existed ? 'up to date' : 'built';
}

/** What decides whether an earlier answer still holds. */
interface Probe { virtType: string; kernel: string; emulator: string; device: boolean }

/** Finds out by a trial boot whether KVM really works here, unless the operator has said it; remembers the answer. */
export async function decideVirtType(site: Site): Promise<string> {
  const { virtType } = site.settings;
  if (virtType !== 'probe') {
    writeFileSync(virtTypeFile(site), `${virtType}\n`);
    return `${virtType}, as told`;
  }
  const memory = join(site.etc, 'virt-type.json');
  const now = { kernel: release(), emulator: (await run('qemu-system-x86_64', ['--version'])).stdout.split('\n')[0]!, device: existsSync('/dev/kvm') };
  const known = existsSync(memory) ? (JSON.parse(readFileSync(memory, 'utf8')) as Probe) : undefined;
  if (known && known.kernel === now.kernel && known.emulator === now.emulator && known.device === now.device && existsSync(virtTypeFile(site))) {
    return `${known.virtType}, as found earlier`;
  }
  const { stdout, stderr } = await run('/bin/bash', [join(site.root, 'deploy/guest/probe-kvm.sh'), guestDirectory(site)], { timeoutMs: 60_000 });
  const answer = stdout.trim();
  if (answer !== 'kvm' && answer !== 'qemu') throw new Error(`the KVM probe answered ${answer}`);
  writeFileSync(virtTypeFile(site), `${answer}\n`);
  writeFileSync(memory, `${JSON.stringify({ virtType: answer, ...now } satisfies Probe)}\n`);
  return `${answer} (${stderr.trim().split('\n').at(-1)?.replace(/^probe-kvm: /, '') ?? ''})`;
}
