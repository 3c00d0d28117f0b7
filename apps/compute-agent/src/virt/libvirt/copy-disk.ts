import { setTimeout as sleep } from 'node:timers/promises';
import { conflict, internalError, notFound } from '@virga/core';
import { ErrorCode, isLibvirtError, JobStatsFlag, JobType, type LibvirtHost } from '@virga/libvirt';
import { isActive, observe } from './power-state';
import { element, writeXml } from './xml';

const LOOK_AGAIN_MS = 300;

/** Only the first disk; what the guest writes meanwhile goes to its own disk and not into the copy. */
const backup = (path: string): string => writeXml(element('domainbackup', { mode: 'push' },
  element('disks', {}, element('disk', { name: 'vda', type: 'file', backup: 'yes' },
    element('driver', { type: 'qcow2' }),
    element('target', { file: path })))));

async function running(host: LibvirtHost, uuid: string): Promise<boolean> {
  const { type } = await host.call('domainGetJobStats', { dom: { uuid } });
  return type !== JobType.NONE;
}

async function untilIdle(host: LibvirtHost, uuid: string): Promise<void> {
  while (await running(host, uuid)) await sleep(LOOK_AGAIN_MS);
}

/** @throws CloudError conflict when the machine is off */
export async function copyRootDisk(host: LibvirtHost, uuid: string, path: string): Promise<void> {
  const observed = await observe(host, uuid);
  if (!observed) throw notFound(`Instance ${uuid} has no machine on this host.`);
  if (!isActive(observed)) throw conflict(`Instance ${uuid} is off; its disk lies still.`);
  // One that an earlier life of this process has begun is of no use to anybody.
  if (await running(host, uuid)) {
    await host.call('domainAbortJob', { dom: { uuid } }).catch((error: unknown) => { if (!isLibvirtError(error, ErrorCode.OPERATION_INVALID)) throw error; });
    await untilIdle(host, uuid);
  }
  await host.call('domainBackupBegin', { dom: { uuid }, backupXml: backup(path), checkpointXml: null });
  await untilIdle(host, uuid);
  const { type } = await host.call('domainGetJobStats', { dom: { uuid }, flags: JobStatsFlag.COMPLETED });
  if (type !== JobType.COMPLETED) throw internalError('The copy of the disk was broken off.');
}
