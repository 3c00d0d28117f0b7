import { execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BuildSpec } from '@virga/contracts';
import { silentLogger } from '@virga/core';
import { InstanceStore } from '../instances/instance-store';
import { emptyDisks, removeDisks } from './instance-disks';
import { SharedStorage } from './shared-storage';

const root = mkdtempSync(join(tmpdir(), 'virga-shared-'));
afterAll(() => rmSync(root, { recursive: true }));

let hosts = 0;
/** A host whose instances' disks lie in the directory. */
async function host(directory: string) {
  const hostId = randomUUID();
  const storage = new SharedStorage(directory, hostId, silentLogger);
  await storage.prepare();
  const store = new InstanceStore(join(root, `host${++hosts}`), storage);
  await store.prepare();
  return { hostId, storage, store };
}
const specOf = (instanceId: string) => ({ instanceId, flavor: { ephemeralGb: 1, swapMb: 0 } }) as BuildSpec;

/** Two hosts with one storage, and an instance of the first that has a disk. */
async function two() {
  const directory = join(root, randomUUID());
  const [one, other] = [await host(directory), await host(directory)];
  const instanceId = randomUUID();
  const spec = specOf(instanceId);
  await one.store.create(spec);
  await emptyDisks(one.store.dir(instanceId), spec);
  const place = join(directory, instanceId);
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', join(place, 'disk'), '1M']);
  return { directory, one, other, instanceId, spec, place, disk: join(place, 'disk') };
}

it('is found to be the same by hosts that have it in common, and by no others', async () => {
  const { directory, one, other } = await two();
  expect(await other.storage.markOf(one.hostId)).toBe(one.storage.mark);
  expect(await (await host(join(root, 'elsewhere'))).storage.markOf(one.hostId)).toBeUndefined();
  // A copy of an older state is not the same storage.
  const again = new SharedStorage(directory, one.hostId, silentLogger);
  execFileSync('cp', ['-r', directory, `${directory}-copy`]);
  await again.prepare();
  expect(await (await host(`${directory}-copy`)).storage.markOf(one.hostId)).not.toBe(again.mark);
  expect(await other.storage.markOf('../../etc/passwd')).toBeUndefined();
});

it('has the disks, and the host has links to them', async () => {
  const { one, place, instanceId } = await two();
  expect(lstatSync(join(one.store.dir(instanceId), 'disk')).isSymbolicLink()).toBe(true);
  expect(existsSync(join(place, 'disk.eph0'))).toBe(true);
  expect(await one.storage.holds(one.store.dir(instanceId))).toBe(true);
  await removeDisks(one.store.dir(instanceId), { ephemeral: false });
  expect([existsSync(join(place, 'disk')), existsSync(join(place, 'disk.eph0'))]).toEqual([false, true]);
});

it('keeps the disks of a guest that has gone to another host, and loses them with that one', async () => {
  const { one, other, instanceId, spec, place, disk } = await two();
  await other.store.create(spec);
  await emptyDisks(other.store.dir(instanceId), spec);
  // Taken back: nothing of it is the destination's yet.
  await other.store.remove(instanceId);
  expect(existsSync(disk)).toBe(true);
  await other.store.create(spec);
  await other.store.adopt(instanceId);
  await one.store.remove(instanceId);
  expect([existsSync(disk), existsSync(one.store.dir(instanceId))]).toEqual([true, false]);
  await other.store.remove(instanceId, { keepDisks: true });
  expect(existsSync(disk)).toBe(true);
  await other.store.create(spec);
  await other.store.remove(instanceId);
  expect(existsSync(place)).toBe(false);
});

it('keeps disks that a machine has open, whoever says that they are his', async () => {
  const { one, instanceId, disk, place } = await two();
  const machine = spawn('qemu-io', ['-f', 'qcow2', disk], { stdio: ['pipe', 'pipe', 'ignore'] });
  machine.stdin.write('write 0 512\n');
  await once(machine.stdout, 'data');
  await one.store.remove(instanceId);
  expect(existsSync(disk)).toBe(true);
  machine.stdin.end('quit\n');
  await once(machine, 'exit');
  await one.storage.release(instanceId);
  expect(existsSync(place)).toBe(false);
});

it('puts disks aside and brings them back, also when it is interrupted', async () => {
  const { one, other, instanceId, spec, disk, directory } = await two();
  const dir = one.store.dir(instanceId);
  // As far as a crash might have let it come.
  await one.storage.putAside(instanceId, dir);
  await one.store.putAside(instanceId, { migrationId: 'm' });
  expect([existsSync(disk), existsSync(join(one.store.asideDir(instanceId), 'disk'))]).toEqual([false, true]);
  await other.store.create(spec);
  writeFileSync(disk, 'new');
  await expect(one.store.bringBack(instanceId)).rejects.toThrow('Another host has disks');
  await other.storage.adopt(instanceId);
  await other.store.remove(instanceId);
  await one.storage.bringBack(instanceId, one.store.asideDir(instanceId));
  await one.store.bringBack(instanceId);
  expect(readFileSync(join(dir, 'disk')).subarray(0, 3).toString()).toBe('QFI');
  await one.store.putAside(instanceId, { migrationId: 'm' });
  await one.store.discardAside(instanceId);
  expect(existsSync(join(directory, '.aside', instanceId))).toBe(false);
});

it('leaves disks where they are that were there before it was shared', async () => {
  const instanceId = randomUUID();
  const before = new InstanceStore(join(root, 'before'));
  await before.prepare();
  await before.create(specOf(instanceId));
  writeFileSync(join(before.dir(instanceId), 'disk'), 'old');
  const storage = new SharedStorage(join(root, 'late'), randomUUID(), silentLogger);
  await storage.prepare();
  const after = new InstanceStore(join(root, 'before'), storage);
  await after.create(specOf(instanceId));
  expect(await storage.holds(after.dir(instanceId))).toBe(false);
  await after.putAside(instanceId, { migrationId: 'm' });
  await after.bringBack(instanceId);
  expect(readFileSync(join(after.dir(instanceId), 'disk'), 'utf8')).toBe('old');
});
