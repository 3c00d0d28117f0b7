import type { HostVerbArgs } from '@virga/contracts';
import type { InstanceHost } from './instance-host';

/** Takes everything of the instance off this host, whatever there is of it; nothing left is success. */
export async function destroy({ driver, store, workshop }: InstanceHost, instanceId: string, { keepAside = false, keepDisks = false }: HostVerbArgs<'destroy'> = {}): Promise<{ powerState: number }> {
  // Should what follows fail, the guest must not come back by itself after a loss of power. On a full disk that cannot be written down, and what follows makes room.
  if (await store.desired(instanceId) !== undefined) await store.setDesired(instanceId, 'stopped').catch(() => undefined);
  await driver.remove(instanceId);
  await workshop.disconnect(instanceId);
  await store.remove(instanceId, { keepDisks });
  if (!keepAside) await store.discardAside(instanceId);
  await workshop.tidy();
  return { powerState: 0 };
}
