import { setTimeout as sleep } from 'node:timers/promises';
import { POWER_STATE, type BuildSpec } from '@virga/contracts';
import type { GuestNic, GuestParts, PowerState, VirtDriver } from './virt-driver';

/** A driver with what a test needs besides it. */
export interface DriverUnderTest {
  driver: VirtDriver;
  /** A fresh instance with all its parts. `bootable`: one that hears its power button once it is {@link booted}. */
  instance(options?: { bootable?: boolean; displayName?: string; parts?: Partial<GuestParts> }): Promise<{ spec: BuildSpec; parts: GuestParts }>;
  booted(instanceId: string): Promise<void>;
  /** A path where nothing is yet. */
  file(): Promise<string>;
  /** One more card, connected on the host's side. */
  nic(): Promise<GuestNic>;
  /** Whether the guest ended by its own shutdown, as far as the guest itself tells. */
  shutDownByGuest(instanceId: string): Promise<boolean>;
  /** The machine turns itself off, as from inside. */
  turnOffInside(instanceId: string): Promise<void>;
  /** The machine breaks. */
  crash(instanceId: string): Promise<void>;
  /** The hypervisor's daemon goes away and comes back. */
  restartHypervisor(): Promise<void>;
  close(): Promise<void>;
}

const { noState, running, paused, shutdown, crashed, suspended } = POWER_STATE;
const UNKNOWN = '00000000-0000-4000-8000-00000000dead';

type Change = { instanceId: string; powerState: PowerState; reason: string };

/** Declares the tests that every driver passes. `open` is called once, before all. */
export function describeDriver(name: string, open: () => Promise<DriverUnderTest>): void {
  describe(`${name} as a virt driver`, () => {
    let rig: DriverUnderTest;
    let driver: VirtDriver;
    const changes: Change[] = [];
    let resyncs = 0;
    const made: string[] = [];

    beforeAll(async () => {
      rig = await open();
      driver = rig.driver;
      driver.onPowerChange((instanceId, powerState, reason) => changes.push({ instanceId, powerState, reason }));
      driver.onResync(() => { resyncs += 1; });
    });
    afterEach(async () => {
      for (const instanceId of made.splice(0)) await driver.remove(instanceId);
    });
    afterAll(async () => {
      await driver?.close();
      await rig?.close();
    });

    async function defined(options?: Parameters<DriverUnderTest['instance']>[0]) {
      const instance = await rig.instance(options);
      made.push(instance.spec.instanceId);
      await driver.define(instance.spec, instance.parts);
      return { ...instance, id: instance.spec.instanceId };
    }
    async function started(options?: Parameters<DriverUnderTest['instance']>[0]) {
      const instance = await defined(options);
      await driver.start(instance.id);
      return instance;
    }
    async function changeOf(instanceId: string): Promise<Change> {
      for (;;) {
        const found = changes.find((change) => change.instanceId === instanceId);
        if (found) return found;
        await sleep(20);
      }
    }
    const isInState = async (id: string, state: PowerState) => expect(await driver.powerState(id)).toBe(state);

    describe('without a machine', () => {
      it('has no state', () => isInState(UNKNOWN, noState));
      it('removes it with success', () => driver.remove(UNKNOWN));
      it('does not list it', async () => {
        expect((await driver.list()).map(({ instanceId }) => instanceId)).not.toContain(UNKNOWN);
      });
      it.each(['start', 'powerOff', 'pause', 'unpause', 'suspend', 'diagnostics'] as const)('refuses to %s as not found', async (verb) => {
        await expect(driver[verb](UNKNOWN)).rejects.toMatchObject({ kind: 'notFound', retryable: false });
      });
      it('refuses to stop as not found', async () => {
        await expect(driver.stop(UNKNOWN, 5)).rejects.toMatchObject({ kind: 'notFound', retryable: false });
      });
    });

    describe('a defined machine', () => {
      it('is off, and listed until it is removed', async () => {
        const { id } = await defined();
        await isInState(id, shutdown);
        expect(await driver.list()).toContainEqual({ instanceId: id, powerState: shutdown });
        await driver.remove(id);
        await isInState(id, noState);
        expect((await driver.list()).map(({ instanceId }) => instanceId)).not.toContain(id);
      });
      it('may be defined again, off and running', async () => {
        const { id, spec, parts } = await defined();
        await driver.define({ ...spec, flavor: { ...spec.flavor, memoryMb: spec.flavor.memoryMb + 16 } }, parts);
        await driver.start(id);
        await driver.define(spec, parts);
        await isInState(id, running);
      });
      it('cannot be paused, unpaused or suspended', async () => {
        const { id } = await defined();
        for (const verb of ['pause', 'unpause', 'suspend'] as const) {
          await expect(driver[verb](id)).rejects.toMatchObject({ kind: 'conflict', retryable: false });
        }
        await isInState(id, shutdown);
      });
      it('takes any name that a user may give', async () => {
        const { id } = await started({ displayName: `<a href="x">&amp;']]>\n\t\u0001\u{1F600}\uD800--` });
        await isInState(id, running);
      });
    });

    describe('power', () => {
      it('starts, and starts again', async () => {
        const { id } = await started();
        await isInState(id, running);
        await driver.start(id);
        expect(await driver.list()).toContainEqual({ instanceId: id, powerState: running });
      });
      it('starts once when asked twice at the same time', async () => {
        const { id } = await defined();
        await Promise.all([driver.start(id), driver.start(id)]);
        await isInState(id, running);
      });
      it('pauses and unpauses, each twice', async () => {
        const { id } = await started();
        for (const [verb, state] of [['pause', paused], ['pause', paused], ['unpause', running], ['unpause', running]] as const) {
          await driver[verb](id);
          await isInState(id, state);
        }
      });
      it('starts a paused one', async () => {
        const { id } = await started();
        await driver.pause(id);
        await driver.start(id);
        await isInState(id, running);
      });
      it('suspends, twice, and continues', async () => {
        const { id } = await started();
        await driver.suspend(id);
        await driver.suspend(id);
        await isInState(id, suspended);
        expect(await driver.list()).toContainEqual({ instanceId: id, powerState: suspended });
        await driver.start(id);
        await isInState(id, running);
      });
      it('continues a machine as running that was paused when it was suspended', async () => {
        const { id } = await started();
        await driver.pause(id);
        await driver.suspend(id);
        await driver.start(id);
        await isInState(id, running);
      });
      it.each(['running', 'paused', 'suspended', 'off'] as const)('is off after power off and after stop when it was %s', async (before) => {
        for (const off of [(id: string) => driver.powerOff(id), (id: string) => driver.stop(id, 1), (id: string) => driver.stop(id, 0)]) {
          const { id } = before === 'off' ? await defined() : await started();
          if (before === 'paused') await driver.pause(id);
          if (before === 'suspended') await driver.suspend(id);
          await off(id);
          await isInState(id, shutdown);
          await driver.start(id);
          await isInState(id, running);
          await driver.remove(id);
        }
      });
      it('stops a guest by its power button', async () => {
        const { id } = await started({ bootable: true });
        await rig.booted(id);
        await driver.stop(id, 120);
        await isInState(id, shutdown);
        expect(await rig.shutDownByGuest(id)).toBe(true);
      });
      it.each(['running', 'paused', 'suspended'] as const)('removes one that is %s', async (before) => {
        const { id } = await started();
        if (before === 'paused') await driver.pause(id);
        if (before === 'suspended') await driver.suspend(id);
        await Promise.all([driver.remove(id), driver.remove(id)]);
        await isInState(id, noState);
      });
      it('forgets the memory of a machine that was removed', async () => {
        const { id, spec, parts } = await started();
        await driver.suspend(id);
        await driver.remove(id);
        await driver.define(spec, parts);
        await isInState(id, shutdown);
      });
    });

    describe('cards', () => {
      const cardsOf = async (id: string) => ((await driver.diagnostics(id)) as { nic_details: { mac_address: string }[] }).nic_details.map(({ mac_address: mac }) => mac);

      it('are refused where there is no machine', async () => {
        await expect(driver.attachNic(UNKNOWN, await rig.nic())).rejects.toMatchObject({ kind: 'notFound', retryable: false });
        await expect(driver.detachNic(UNKNOWN, '52:54:00:ff:ff:ff')).rejects.toMatchObject({ kind: 'notFound', retryable: false });
      });
      it('of a machine that is off come with its next start, and go', async () => {
        const { id, parts } = await defined();
        const nic = await rig.nic();
        await driver.attachNic(id, nic);
        await driver.attachNic(id, nic);
        await driver.start(id);
        expect(await cardsOf(id)).toEqual([...parts.nics.map(({ macAddress }) => macAddress), nic.macAddress]);
        await driver.powerOff(id);
        await driver.detachNic(id, nic.macAddress);
        await driver.detachNic(id, nic.macAddress);
        await driver.start(id);
        expect(await cardsOf(id)).not.toContain(nic.macAddress);
      });
      it('come to a running guest and go again, also after its next start', async () => {
        const { id } = await started({ bootable: true });
        await rig.booted(id);
        const nic = await rig.nic();
        await driver.attachNic(id, nic);
        await driver.attachNic(id, nic);
        expect((await cardsOf(id)).filter((mac) => mac === nic.macAddress)).toHaveLength(1);
        await driver.detachNic(id, nic.macAddress);
        await driver.detachNic(id, nic.macAddress);
        expect(await cardsOf(id)).not.toContain(nic.macAddress);
        await driver.powerOff(id);
        await driver.start(id);
        expect(await cardsOf(id)).not.toContain(nic.macAddress);
      });
    });

    describe('a copy of the root disk', () => {
      it('is made of a machine that is on, which stays as it is', async () => {
        const { id } = await started();
        await driver.copyRootDisk(id, await rig.file());
        await isInState(id, running);
        await driver.pause(id);
        await driver.copyRootDisk(id, await rig.file());
        await isInState(id, paused);
      });
      it('is refused of one that is off, and of none', async () => {
        const { id } = await defined();
        await expect(driver.copyRootDisk(id, await rig.file())).rejects.toMatchObject({ kind: 'conflict' });
        await expect(driver.copyRootDisk(UNKNOWN, await rig.file())).rejects.toMatchObject({ kind: 'notFound' });
      });
    });

    describe('news', () => {
      it('comes when a guest turns itself off, and not of what was asked for', async () => {
        const own = await started();
        await driver.pause(own.id);
        await driver.suspend(own.id);
        await driver.start(own.id);
        await driver.powerOff(own.id);
        await driver.remove(own.id);
        const { id } = await started({ bootable: true });
        await rig.booted(id);
        await rig.turnOffInside(id);
        expect(await changeOf(id)).toEqual({ instanceId: id, powerState: shutdown, reason: 'the guest shut down' });
        expect(changes.filter(({ instanceId }) => instanceId === own.id)).toEqual([]);
      });
      it('comes when a machine breaks, which may be started again', async () => {
        const { id } = await started();
        await rig.crash(id);
        expect(await changeOf(id)).toMatchObject({ powerState: crashed });
        await isInState(id, crashed);
        await driver.start(id);
        await isInState(id, running);
      });
      it('asks for a new look when the hypervisor was away, whose machines run on', async () => {
        const { id } = await started();
        const before = resyncs;
        await rig.restartHypervisor();
        while (resyncs === before) await sleep(20);
        expect(driver.ready).toBe(true);
        await isInState(id, running);
        expect(await driver.list()).toContainEqual({ instanceId: id, powerState: running });
      });
    });

    describe('facts', () => {
      it('tell the host', async () => {
        const facts = await driver.facts();
        expect(facts).toEqual({
          hypervisorType: expect.stringMatching(/./), hypervisorVersion: expect.any(Number), vcpus: expect.any(Number),
          memoryMb: expect.any(Number), cpuInfo: expect.any(String),
        });
        expect(Math.min(facts.hypervisorVersion, facts.vcpus, facts.memoryMb)).toBeGreaterThan(0);
        expect(JSON.parse(facts.cpuInfo)).toMatchObject({ arch: expect.any(String), topology: expect.any(Object), features: expect.any(Array) });
      });
      it('tell a machine', async () => {
        const { id, spec, parts } = await started();
        const found = await driver.diagnostics(id);
        expect(JSON.parse(JSON.stringify(found))).toMatchObject({
          state: 'running', driver: expect.any(String), hypervisor: expect.any(String), hypervisor_os: expect.any(String),
          uptime: expect.any(Number), config_drive: parts.configDrive !== undefined, num_cpus: spec.flavor.vcpus,
          num_nics: parts.nics.length, num_disks: expect.any(Number),
          memory_details: { maximum: spec.flavor.memoryMb, used: expect.any(Number) },
          nic_details: parts.nics.map(({ macAddress }) => ({ mac_address: macAddress, rx_octets: expect.any(Number), tx_packets: expect.any(Number) })),
        });
        const { cpu_details: cpus, disk_details: disks, num_disks: count } = found as Record<string, never[]> & { num_disks: number };
        expect(cpus).toHaveLength(spec.flavor.vcpus);
        expect(disks).toHaveLength(count);
        await driver.powerOff(id);
        expect(await driver.diagnostics(id)).toMatchObject({ state: 'shutdown', uptime: null });
      });
    });
  });
}
