import type { BuildSpec } from '@virga/contracts';
import { internalError, silentLogger, unavailable } from '@virga/core';
import { imaginedParts, SimulatedWorkshop } from '../fleet/simulated-workshop';
import { hostMemory } from '../fleet/fleet-memory';
import { FakeDriver } from '../virt/fake/fake-driver';
import { Simulation } from '../virt/fake/simulation';
import { build } from '../instances/build';
import { destroy } from '../instances/destroy';
import type { InstanceHost } from '../instances/instance-host';
import { recoverGuests } from './recover-guests';

const spec: BuildSpec = {
  instanceId: '0b5a6a4e-2e0c-4a52-9a53-3a2e1f9d6a01', instanceName: 'instance-00000001', displayName: 'a', hostname: 'a', projectId: 'p', userId: 'u', configDrive: false, ports: [],
  flavor: { vcpus: 1, memoryMb: 64, rootGb: 1, ephemeralGb: 0, swapMb: 0, extraSpecs: {} },
  image: { id: 'i', name: null, status: 'active', diskFormat: 'raw', containerFormat: 'bare', sizeBytes: 1, virtualSizeBytes: 1, sha512: '', minDisk: 0, minRam: 0, properties: {} },
};

/** A host that has just booted, whose hypervisor answers a start with each of `errors` in turn and then does it. */
async function bootedHost(errors: Error[]) {
  const driver = new FakeDriver({ seed: '1', vcpus: 4, memoryMb: 1024 });
  const { records: store } = hostMemory([], async () => undefined);
  await store.create(spec);
  await store.setDesired(spec.instanceId, 'running');
  driver.place(spec, imaginedParts(spec), 4);
  const start = driver.start.bind(driver);
  driver.start = async (id) => { const error = errors.shift(); if (error) throw error; await start(id); };
  await recoverGuests({ driver, store, workshop: new SimulatedWorkshop(new Simulation({ seed: '1' }), 'h') }, true, () => false, async () => true, silentLogger);
  return driver.powerState(spec.instanceId);
}

it('starts a guest also when the hypervisor is itself only just coming back', async () => {
  expect(await bootedHost([unavailable('libvirt is away'), unavailable('libvirt is away')])).toBe(1);
});

it('leaves a guest off that the hypervisor refuses', async () => {
  expect(await bootedHost([internalError('no such machine type')])).toBe(4);
});

describe('a guest that is given to another host', () => {
  async function recovered(prepare: (host: InstanceHost, driver: FakeDriver) => Promise<unknown>, isHere: () => Promise<boolean> = async () => true) {
    const driver = new FakeDriver({ seed: '1', vcpus: 4, memoryMb: 1024 });
    const host: InstanceHost = { driver, store: hostMemory([], async () => undefined).records, workshop: new SimulatedWorkshop(new Simulation({ seed: '1' }), 'h') };
    await prepare(host, driver);
    await recoverGuests(host, true, () => false, isHere, silentLogger);
    return driver.powerState(spec.instanceId);
  }
  const refuse = (driver: FakeDriver, act: 'start' | 'remove') => {
    const real = driver[act].bind(driver);
    driver[act] = async () => { driver[act] = real; throw internalError(`no ${act}`); };
  };

  it('is left off when its build has failed here, although the books still name this host', async () => {
    expect(await recovered(async (host, driver) => {
      refuse(driver, 'start');
      await expect(build(host, spec, AbortSignal.timeout(5000))).rejects.toThrow('no start');
    })).not.toBe(1);
  });

  it('is left off when it could not be taken away', async () => {
    expect(await recovered(async (host, driver) => {
      await build(host, spec, AbortSignal.timeout(5000));
      refuse(driver, 'remove');
      await expect(destroy(host, spec.instanceId)).rejects.toThrow('no remove');
      await driver.powerOff(spec.instanceId);
    })).not.toBe(1);
  });

  it('is left off when that happens while the hypervisor is only coming back', async () => {
    const answers = [true, false];
    expect(await recovered(async (host, driver) => {
      await build(host, spec, AbortSignal.timeout(5000));
      await driver.powerOff(spec.instanceId);
      const start = driver.start.bind(driver);
      driver.start = async () => { driver.start = start; throw unavailable('libvirt is away'); };
    }, async () => answers.shift()!)).not.toBe(1);
  });
});
