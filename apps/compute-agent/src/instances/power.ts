import type { HostVerbArgs } from '@virga/contracts';
import type { DesiredPower, InstanceHost } from './instance-host';

type Result = Promise<{ powerState: number }>;

/** Writes down what is wanted first: a host that loses power in between does what was asked when it is back. */
async function want(host: InstanceHost, instanceId: string, power: DesiredPower, act: () => Promise<void>): Result {
  await host.store.spec(instanceId);
  await host.store.adopt(instanceId);
  await host.store.setDesired(instanceId, power);
  await act();
  return { powerState: await host.driver.powerState(instanceId) };
}

/** A card lives no longer than its host: it is connected anew before a machine is switched on. */
async function switchOn(host: InstanceHost, instanceId: string, signal: AbortSignal): Promise<void> {
  const spec = await host.store.spec(instanceId);
  await host.workshop.connect(spec);
  await host.workshop.untilConnected(spec, signal);
  await host.driver.start(instanceId);
}

export const start = (host: InstanceHost, id: string, signal: AbortSignal): Result => want(host, id, 'running', () => switchOn(host, id, signal));

export const stop = (host: InstanceHost, id: string, { timeoutSeconds }: HostVerbArgs<'stop'>): Result =>
  want(host, id, 'stopped', () => host.driver.stop(id, timeoutSeconds));

/** SOFT asks the guest first and cuts the power when it does not listen; HARD cuts it at once. */
export const reboot = (host: InstanceHost, id: string, { type, timeoutSeconds }: HostVerbArgs<'reboot'>, signal: AbortSignal): Result =>
  want(host, id, 'running', async () => {
    await (type === 'SOFT' ? host.driver.stop(id, timeoutSeconds) : host.driver.powerOff(id));
    await switchOn(host, id, signal);
  });

export const pause = (host: InstanceHost, id: string): Result => want(host, id, 'paused', () => host.driver.pause(id));
export const unpause = (host: InstanceHost, id: string): Result => want(host, id, 'running', () => host.driver.unpause(id));
export const suspend = (host: InstanceHost, id: string): Result => want(host, id, 'suspended', () => host.driver.suspend(id));
export const resume = start;
