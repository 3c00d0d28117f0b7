import { instanceTaps, removeTap } from '../nics/taps';
import type { InstanceHost } from './instance-host';

/** Takes everything of the instance off this host, whatever there is of it; nothing left is success. */
export async function destroy(host: InstanceHost, instanceId: string): Promise<{ powerState: number }> {
  const { driver, store, ovs } = host;
  await driver.remove(instanceId);
  for (const tap of await instanceTaps(ovs)) if (tap.instanceId === instanceId) await removeTap(ovs, tap.name);
  await store.remove(instanceId);
  await pruneMetadataNetworks(host);
  return { powerState: 0 };
}

/** Networks without a guest on this host need no metadata port here. */
export async function pruneMetadataNetworks({ store, metadataNetworks }: InstanceHost): Promise<void> {
  const specs = await Promise.all((await store.list()).map((id) => store.spec(id).catch(() => undefined)));
  await metadataNetworks.keepOnly(new Set(specs.flatMap((spec) => spec?.ports.map(({ networkId }) => networkId) ?? [])));
}
