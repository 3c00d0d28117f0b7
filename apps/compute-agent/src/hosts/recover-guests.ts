import { access, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { errorMessage, type Logger } from '@virga/core';
import { outlastAbsence } from '../commands/outlast-absence';
import { start } from '../instances/power';
import type { InstanceHost } from '../instances/instance-host';

/** True the first time after the host has booted: the run directory is empty then. */
export async function markBoot(runDir: string): Promise<boolean> {
  await mkdir(runDir, { recursive: true, mode: 0o700 });
  const mark = join(runDir, 'booted');
  if (await access(mark).then(() => true, () => false)) return false;
  await writeFile(mark, new Date().toISOString());
  return true;
}

/**
 * Brings the host to what it should be when the agent starts. After a boot of the host, guests that were running are
 * started again, each only once the control plane has said that it is still on this host: it may have been brought up
 * elsewhere meanwhile. Otherwise what guests did is only reported.
 */
export async function recoverGuests(host: InstanceHost, hostBooted: boolean, isBusy: (instanceId: string) => boolean, isHere: (instanceId: string) => Promise<boolean>, logger: Logger): Promise<void> {
  await host.workshop.tidy();
  for (const instanceId of await host.store.list()) {
    if (isBusy(instanceId)) continue;
    try {
      await recoverGuest(host, instanceId, hostBooted, isHere, logger);
    } catch (error) {
      logger.error({ instanceId, reason: errorMessage(error) }, 'guest could not be recovered');
    }
  }
}

async function recoverGuest(host: InstanceHost, instanceId: string, hostBooted: boolean, isHere: (instanceId: string) => Promise<boolean>, logger: Logger): Promise<void> {
  const desired = await host.store.desired(instanceId);
  if (desired === undefined) return;
  const spec = await host.store.spec(instanceId);
  const powerState = await host.driver.powerState(instanceId);
  if (hostBooted && desired === 'running' && powerState !== 1) {
    const signal = AbortSignal.timeout(120_000);
    // Hypervisor and switch may themselves be only just coming back. The control plane is asked each time: it may have given the guest to another host meanwhile.
    await outlastAbsence(async () => {
      if (!(await isHere(instanceId))) {
        logger.warn({ instanceId }, 'guest is not started again: the control plane has it elsewhere, or not at all');
        return;
      }
      await start(host, instanceId, signal);
      logger.info({ instanceId }, 'guest started again after the host has booted');
    }, { signal, logger, what: 'start' });
  } else if (powerState === 1 || powerState === 3) {
    await host.workshop.connect(spec);
  }
}
