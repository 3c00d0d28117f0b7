import type { BuildSpec } from '@virga/contracts';
import { plugTap, waitUntilWired } from '../nics/taps';
import { prepareGuestParts } from './guest-parts';
import type { InstanceHost } from './instance-host';

/**
 * Makes the guest and starts it. Run again after a crash it goes on from what is there; what a failed build leaves is
 * taken away by `destroy`, which the conductor sends as its undo.
 */
export async function build(host: InstanceHost, spec: BuildSpec, signal: AbortSignal): Promise<{ powerState: number }> {
  const { store, driver, ovs, config } = host;
  await store.create(spec);
  const documents = await host.fetchDocuments(spec.instanceId);
  await store.saveDocuments(spec.instanceId, documents);
  signal.throwIfAborted();
  const [parts] = await Promise.all([
    prepareGuestParts(host, spec, documents, signal),
    wireNics(host, spec),
  ]);
  signal.throwIfAborted();
  await driver.define(spec, parts);
  await waitUntilWired(ovs, spec.ports, config.VIRGA_AGENT_PORT_TIMEOUT_SECONDS, signal);
  signal.throwIfAborted();
  await store.setDesired(spec.instanceId, 'running');
  await driver.start(spec.instanceId);
  return { powerState: await driver.powerState(spec.instanceId) };
}

/** Taps on the bridge and the metadata service on the guest's networks. */
export async function wireNics(host: InstanceHost, spec: BuildSpec): Promise<void> {
  for (const port of spec.ports) await plugTap(host.ovs, spec.instanceId, port);
  await host.metadataNetworks.ensure(spec.ports);
}
