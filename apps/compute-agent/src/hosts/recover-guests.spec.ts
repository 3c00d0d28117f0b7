import type { BuildSpec } from '@virga/contracts';
import { internalError, silentLogger, unavailable } from '@virga/core';
import { imaginedParts, SimulatedWorkshop } from '../fleet/simulated-workshop';
import { hostMemory } from '../fleet/fleet-memory';
import { FakeDriver } from '../virt/fake/fake-driver';
import { Simulation } from '../virt/fake/simulation';
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
