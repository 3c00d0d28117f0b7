import type { HostVerbArgs } from '@virga/contracts';
import { POWER_STATE } from '@virga/contracts';
import type { InstanceHost } from './instance-host';

/** A guest that is on goes on: its disk is copied as it is at one moment. One that is off cannot be switched on meanwhile. */
export async function snapshot({ store, driver, workshop }: InstanceHost, instanceId: string, { imageId }: HostVerbArgs<'snapshot'>, signal: AbortSignal): Promise<{ powerState: number }> {
  const spec = await store.spec(instanceId);
  const before = await driver.powerState(instanceId);
  const on = before === POWER_STATE.running || before === POWER_STATE.paused;
  await workshop.saveImage(spec, imageId, on ? (path) => driver.copyRootDisk(instanceId, path) : undefined, signal);
  return { powerState: await driver.powerState(instanceId) };
}
