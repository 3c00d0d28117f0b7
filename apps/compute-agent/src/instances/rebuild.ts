import { CloudError } from '@virga/core';
import type { HostVerbArgs } from '@virga/contracts';
import type { InstanceHost } from './instance-host';

/** The image is fetched before anything of the old guest is touched: while it cannot be had, nothing is lost. */
export async function rebuild({ store, driver, workshop }: InstanceHost, { spec, preserveEphemeral, start }: HostVerbArgs<'rebuild'>, signal: AbortSignal): Promise<{ powerState: number }> {
  const { instanceId } = spec;
  await workshop.fetchImages([spec.image, spec.kernelImage, spec.ramdiskImage].filter((image) => image !== undefined));
  signal.throwIfAborted();
  await driver.powerOff(instanceId).catch((error: unknown) => { if (!(error instanceof CloudError) || error.kind !== 'notFound') throw error; });
  await store.create(spec);
  await store.adopt(instanceId);
  await store.setDesired(instanceId, 'stopped');
  await workshop.discardDisks(spec, { keepEphemeral: preserveEphemeral });
  await driver.define(spec, await workshop.prepare(spec, signal));
  if (start) {
    await workshop.untilConnected(spec, signal);
    signal.throwIfAborted();
    await driver.start(instanceId);
    await store.setDesired(instanceId, 'running');
  }
  return { powerState: await driver.powerState(instanceId) };
}
