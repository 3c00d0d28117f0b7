import type { HostVerbArgs, InstancePort } from '@virga/contracts';
import { POWER_STATE } from '@virga/contracts';
import { CloudError } from '@virga/core';
import { tapName } from '../nics/taps';
import type { GuestNic } from '../virt/virt-driver';
import type { InstanceHost } from './instance-host';

export const guestNic = ({ portId, macAddress, mtu }: InstancePort): GuestNic => ({ portId, macAddress, mtu, tap: tapName(portId) });

/** The card is written down first, so that it is found again by whoever cleans up or starts the guest anew. */
export async function attachNic({ store, driver, workshop }: InstanceHost, instanceId: string, { port }: HostVerbArgs<'attachNic'>, signal: AbortSignal): Promise<{ powerState: number }> {
  const spec = await store.spec(instanceId);
  const wanted = { ...spec, ports: [...spec.ports.filter(({ portId }) => portId !== port.portId), port] };
  await store.create(wanted);
  await workshop.connect(wanted);
  const powerState = await driver.powerState(instanceId);
  if (powerState === POWER_STATE.running || powerState === POWER_STATE.paused) await workshop.untilConnected({ ...wanted, ports: [port] }, signal);
  signal.throwIfAborted();
  await driver.attachNic(instanceId, guestNic(port));
  return { powerState };
}

/** The guest first, then the card; a guest that keeps it keeps everything. */
export async function detachNic({ store, driver, workshop }: InstanceHost, instanceId: string, { portId }: HostVerbArgs<'detachNic'>): Promise<{ powerState: number }> {
  const spec = await store.spec(instanceId);
  const port = spec.ports.find((one) => one.portId === portId);
  if (port) {
    await driver.detachNic(instanceId, port.macAddress).catch((error: unknown) => { if (!(error instanceof CloudError) || error.kind !== 'notFound') throw error; });
    await store.create({ ...spec, ports: spec.ports.filter((one) => one.portId !== portId) });
  }
  await workshop.disconnectPort(portId);
  await workshop.tidy();
  return { powerState: await driver.powerState(instanceId) };
}
