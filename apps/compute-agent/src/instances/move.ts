import type { BuildSpec, HostVerbArgs } from '@virga/contracts';
import { POWER_STATE } from '@virga/contracts';
import { conflict } from '@virga/core';
import type { InstanceHost } from './instance-host';

type Result = Promise<{ powerState: number }>;
const ON: readonly number[] = [POWER_STATE.running, POWER_STATE.paused];

/** As little as possible is left to do once the guest is off: its images are fetched beforehand. */
export async function prepareMove({ driver, workshop }: InstanceHost, spec: BuildSpec, signal: AbortSignal): Result {
  if ((await driver.powerState(spec.instanceId)) !== POWER_STATE.noState) throw conflict(`Instance ${spec.instanceId} has a machine on this host already.`);
  await workshop.fetchImages([spec.image, spec.kernelImage, spec.ramdiskImage].filter((image) => image !== undefined));
  signal.throwIfAborted();
  await workshop.assertRoom(spec);
  return { powerState: POWER_STATE.noState };
}

/** What an earlier move, which nobody has ended, has left aside here makes room: the guest's own disks are those in its directory. */
export async function putAside({ store, driver, workshop }: InstanceHost, instanceId: string, note: HostVerbArgs<'putAside'>): Result {
  const before = await store.aside(instanceId);
  if (before?.migrationId !== note.migrationId) {
    await store.spec(instanceId);
    if (ON.includes(await driver.powerState(instanceId))) throw conflict(`Instance ${instanceId} is on; its disks cannot be put aside.`);
    await driver.remove(instanceId);
    await workshop.disconnect(instanceId);
    await store.discardAside(instanceId);
    await store.putAside(instanceId, { migrationId: note.migrationId, ...(note.toHostId !== undefined && { toHostId: note.toHostId }) });
  }
  await workshop.tidy();
  return { powerState: POWER_STATE.noState };
}

export async function receiveDisks({ store, workshop }: InstanceHost, { spec, from }: HostVerbArgs<'receiveDisks'>, signal: AbortSignal): Result {
  await store.create(spec);
  await workshop.receiveDisks(spec, from && { hostId: from.hostId, ...(from.agentUrl !== undefined && { agentUrl: from.agentUrl }) }, signal);
  return { powerState: POWER_STATE.noState };
}

/** A machine around disks that have come, or come back. */
export async function startMoved({ store, driver, workshop }: InstanceHost, { spec, start }: HostVerbArgs<'startMoved'>, signal: AbortSignal): Result {
  const { instanceId } = spec;
  await workshop.assertDisks(spec);
  await store.create(spec);
  const parts = await workshop.prepare(spec, signal);
  signal.throwIfAborted();
  await driver.define(spec, parts);
  await store.adopt(instanceId);
  await store.setDesired(instanceId, 'stopped');
  if (start) {
    await workshop.untilConnected(spec, signal);
    signal.throwIfAborted();
    await driver.start(instanceId);
    await store.setDesired(instanceId, 'running');
  }
  return { powerState: await driver.powerState(instanceId) };
}

export async function bringBack(host: InstanceHost, args: HostVerbArgs<'bringBack'>, signal: AbortSignal): Result {
  const { store } = host;
  const { instanceId } = args.spec;
  if ((await store.aside(instanceId)) !== undefined) {
    if ((await store.list()).includes(instanceId)) throw conflict(`Instance ${instanceId} is on this host and was put aside there.`);
    await store.bringBack(instanceId);
  }
  return startMoved(host, args, signal);
}

export async function discardAside({ store }: InstanceHost, instanceId: string): Promise<Record<string, never>> {
  await store.discardAside(instanceId);
  return {};
}
