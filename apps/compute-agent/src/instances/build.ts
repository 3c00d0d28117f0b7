import type { BuildSpec } from '@virga/contracts';
import type { InstanceHost } from './instance-host';

/**
 * Makes the guest and starts it. Run again after a crash it goes on from what is there; what a failed build leaves is
 * taken away by `destroy`, which the conductor sends as its undo.
 */
export async function build({ store, driver, workshop }: InstanceHost, spec: BuildSpec, signal: AbortSignal): Promise<{ powerState: number }> {
  await store.create(spec);
  const parts = await workshop.prepare(spec, signal);
  signal.throwIfAborted();
  await driver.define(spec, parts);
  await workshop.untilConnected(spec, signal);
  signal.throwIfAborted();
  await driver.start(spec.instanceId);
  // Not before it runs either: a build that has failed is tried on another host, and this one must not start it when its power is back.
  await store.setDesired(spec.instanceId, 'running');
  // What a failed attempt leaves is taken away, and the disks may be those of a host that has died.
  await store.adopt(spec.instanceId);
  return { powerState: await driver.powerState(spec.instanceId) };
}
