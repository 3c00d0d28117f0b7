import { randomUUID } from 'node:crypto';
import type { BuildSpec } from '@virga/contracts';
import { describeDriver, type DriverUnderTest } from '../driver-conformance';
import type { GuestParts } from '../virt-driver';
import { FakeDriver } from './fake-driver';
import { Simulation } from './simulation';

class FakeRig implements DriverUnderTest {
  readonly driver = new FakeDriver({ seed: 'conformance', vcpus: 8, memoryMb: 16_384, times: { start: [1, 5], stop: [1, 5], remove: [0, 3] } });

  async instance({ displayName = 'machine', parts = {} }: Parameters<DriverUnderTest['instance']>[0] = {}) {
    const spec = {
      instanceId: randomUUID(), instanceName: 'instance-00000001', displayName, hostname: 'machine', projectId: 'p', userId: 'u',
      flavor: { vcpus: 2, memoryMb: 96, rootGb: 0, ephemeralGb: 0, swapMb: 0, extraSpecs: {} }, image: { id: randomUUID(), properties: {} }, configDrive: true, ports: [],
    } as unknown as BuildSpec;
    const all: GuestParts = {
      rootDisk: { path: 'disk', backing: { path: 'base', format: 'raw' } }, ephemeralDisks: ['disk.eph0'], configDrive: 'disk.config',
      nics: [{ portId: randomUUID(), tap: 'tap1', macAddress: '52:54:00:00:00:01', mtu: 1400 }], consoleLog: '', serialSocket: '', vncSocket: '', ...parts,
    };
    return { spec, parts: all };
  }

  private cards = 0;

  nic = async () => ({ portId: randomUUID(), tap: 'tap2', macAddress: `52:54:00:00:01:${(this.cards += 1).toString(16).padStart(2, '0')}`, mtu: 1400 });
  file = async () => '/nowhere';
  booted = async () => undefined;
  shutDownByGuest = async (instanceId: string) => this.driver.endedByGuest(instanceId);
  turnOffInside = async (instanceId: string) => this.driver.turnOffInside(instanceId);
  crash = async (instanceId: string) => this.driver.crash(instanceId);
  restartHypervisor = async () => this.driver.blink();
  close = async () => undefined;
}

describeDriver('the fake driver', async () => new FakeRig());

describe('a simulation', () => {
  /** Waits asked for and errors met over a hundred runs of two verbs. */
  async function history(seed: string, failures: { start: number }) {
    const waits: number[] = [];
    const clock = { now: () => 0, sleep: async (ms: number) => void waits.push(ms) };
    const simulation = new Simulation({ seed, clock, times: { start: [10, 20], remove: [5, 5] }, failures });
    const errors: string[] = [];
    for (let run = 0; run < 100; run++) {
      await simulation.perform('start').catch((error: Error & { retryable: boolean }) => errors.push(`${run} ${error.retryable} ${error.message}`));
      await simulation.perform('remove');
    }
    return { waits, errors };
  }

  it('repeats itself with its seed, and only with that', async () => {
    const [first, again, other] = [await history('a', { start: 0.3 }), await history('a', { start: 0.3 }), await history('b', { start: 0.3 })];
    expect(again).toEqual(first);
    expect(other.errors).not.toEqual(first.errors);
  });

  it('takes the times of its settings and fails as often as they say, in both ways', async () => {
    const { waits, errors } = await history('a', { start: 0.3 });
    expect(waits.filter((_, index) => index % 2 === 0).every((ms) => ms >= 10 && ms < 20)).toBe(true);
    expect(waits.filter((_, index) => index % 2 === 1)).toEqual(Array.from({ length: 100 }, () => 5));
    expect(errors.length).toBeGreaterThan(15);
    expect(errors.length).toBeLessThan(45);
    expect([errors.some((error) => error.includes('true')), errors.some((error) => error.includes('false'))]).toEqual([true, true]);
  });

  it('keeps its times when only its failures change', async () => {
    expect((await history('a', { start: 0 })).waits).toEqual((await history('a', { start: 0.9 })).waits);
    expect((await history('a', { start: 0 })).errors).toEqual([]);
  });
});
