import type { INestMicroservice } from '@nestjs/common';
import { placementContract, type PlacementRequest } from '@virga/contracts';
import { CloudError, newUuid, silentLogger } from '@virga/core';
import { createDatabase, migrate, sql, type Kysely } from '@virga/db';
import { MemoryBroker, type Client } from '@virga/rpc';
import { startMariaDb, startOwnMariaDb, type TestMariaDb } from '@virga/testing';
import { Registry } from 'prom-client';
import { migrations } from './db/migrations';
import type { PlacementDb } from './db/tables';
import { startScheduler } from './scheduler-module';

const rules = { ratios: { vcpus: 4, memoryMb: 1, diskGb: 1 }, reserved: { vcpus: 0, memoryMb: 512, diskGb: 0 }, defaultZone: 'nova' };

/** One scheduler process as the cloud runs it, on its own connections and with its own picture of the hosts. */
async function startOne(url: string, broker: MemoryBroker): Promise<{ app: INestMicroservice; db: Kysely<PlacementDb>; metrics: Registry }> {
  const db = createDatabase<PlacementDb>({ url });
  const metrics = new Registry();
  return { app: await startScheduler(broker.connect('scheduler'), { db, logger: silentLogger, metrics, rules, viewMs: 1000 }), db, metrics };
}

describe('placement', () => {
  let mariadb: TestMariaDb;
  let url: string;
  let broker: MemoryBroker;
  let placement: Client<typeof placementContract>;
  let running: Awaited<ReturnType<typeof startOne>>[] = [];
  let db: Kysely<PlacementDb>;

  beforeAll(async () => { mariadb = await startMariaDb(); });
  beforeEach(async () => {
    url = await mariadb.createSchema('placement');
    db = createDatabase<PlacementDb>({ url, poolSize: 2 });
    expect(await migrate(db, migrations)).toEqual(Object.keys(migrations));
    broker = new MemoryBroker();
    placement = broker.connect('conductor').client(placementContract);
    running = [await startOne(url, broker)];
  });
  afterEach(async () => {
    for (const { app, db: own } of running) { await app.close(); await own.destroy(); }
    await db.destroy();
  });

  const report = (hostname: string, over: Partial<Parameters<typeof placement.reportHost>[0]> = {}) => placement.reportHost({
    hostId: `id-${hostname}`, hostname, enabled: true, inventory: { vcpus: 4, memoryMb: 4096 + 512, diskGb: 40 }, traits: ['COMPUTE_NODE'], leaseMs: 60_000, ...over,
  });
  const wish = (over: Partial<PlacementRequest> = {}): PlacementRequest =>
    ({ consumerId: newUuid(), projectId: 'p', resources: { vcpus: 1, memoryMb: 512, diskGb: 1 }, ...over });
  const refusal = (request: PlacementRequest): Promise<CloudError> =>
    placement.claim(request).then(() => { throw new Error('the claim was granted'); }, (error: unknown) => error as CloudError);
  /** The rule that must hold at any time: what a host counts as used is the sum of its allocations and within its capacity. */
  const checkSums = async (): Promise<void> => {
    const wrong = await sql`SELECT hosts.id FROM hosts
      LEFT JOIN (SELECT host_id, SUM(vcpus) vcpus, SUM(memory_mb) memory_mb, SUM(disk_gb) disk_gb FROM allocations GROUP BY host_id) sums ON sums.host_id = hosts.id
      WHERE used_vcpus <> COALESCE(vcpus, 0) OR used_memory_mb <> COALESCE(memory_mb, 0) OR used_disk_gb <> COALESCE(disk_gb, 0)
        OR used_vcpus > capacity_vcpus OR used_memory_mb > capacity_memory_mb OR used_disk_gb > capacity_disk_gb`.execute(db);
    expect(wrong.rows).toEqual([]);
  };

  describe('a server group', () => {
    type Policy = NonNullable<PlacementRequest['group']>['policy'];
    const member = (policy: Policy, over: Partial<PlacementRequest> = {}, maxPerHost = 1): PlacementRequest => wish({ group: { id: 'g', policy, maxPerHost, except: [] }, ...over });
    const outcomes = (requests: PlacementRequest[]) => Promise.all(requests.map((request) => placement.claim(request).then(({ hostId }) => hostId, (error: CloudError) => error.type ?? error.message)));
    beforeEach(async () => { for (const name of ['one', 'two', 'three']) await report(name); });

    test('anti-affinity holds however many members claim at once, with two schedulers', async () => {
      running.push(await startOne(url, broker));
      const found = await outcomes(Array.from({ length: 8 }, () => member('anti-affinity')));
      expect(found.filter((one) => one.startsWith('id-')).sort()).toEqual(['id-one', 'id-three', 'id-two']);
      expect(found.filter((one) => one === 'NoValidHost')).toHaveLength(5);
      expect((await refusal(member('anti-affinity'))).message).toContain('server_group removed 3 of 3 (3 hosts against the policy of the server group: one, three, two)');
      await checkSums();
    });

    test('anti-affinity with a maximum lets as many in', async () => {
      const found = await outcomes(Array.from({ length: 9 }, () => member('anti-affinity', {}, 2)));
      const counts = ['id-one', 'id-two', 'id-three'].map((host) => found.filter((one) => one === host).length);
      expect(counts).toEqual([2, 2, 2]);
    });

    test('affinity keeps members that claim at once together, and refuses them elsewhere', async () => {
      running.push(await startOne(url, broker));
      const found = await outcomes(Array.from({ length: 6 }, () => member('affinity')));
      const places = new Set(found.filter((one) => one.startsWith('id-')));
      expect(places.size).toBe(1);
      const [there] = places;
      const elsewhere = ['one', 'two', 'three'].find((name) => `id-${name}` !== there)!;
      expect((await refusal(member('affinity', { requestedHost: elsewhere, skipFilters: true }))).type).toBe('NoValidHost');
      expect(await placement.claim(member('affinity', { requestedHost: elsewhere, group: { id: 'g', policy: 'affinity', maxPerHost: 1, except: [], force: true } }))).toMatchObject({ hostname: elsewhere });
    });

    test('soft policies are wishes', async () => {
      for (let i = 0; i < 3; i++) await placement.claim(member('soft-anti-affinity'));
      expect(new Set((await placement.allocations({})).allocations.map(({ hostId }) => hostId)).size).toBe(3);
      const { hostId } = await placement.claim(member('soft-affinity', { group: { id: 'h', policy: 'soft-affinity', maxPerHost: 1, except: [] } }));
      for (let i = 0; i < 3; i++) expect((await placement.claim(member('soft-affinity', { group: { id: 'h', policy: 'soft-affinity', maxPerHost: 1, except: [] } }))).hostId).toBe(hostId);
      await placement.claim(member('soft-anti-affinity'));
    });

    test('a member that moves does not stand in its own way, and is a member where it arrives', async () => {
      const first = member('anti-affinity');
      const { hostId } = await placement.claim(first);
      await placement.transfer({ from: first.consumerId, to: 'migration', onHost: hostId });
      expect((await placement.claim({ ...first, group: { ...first.group!, except: ['migration'] }, requestedHost: hostId })).hostId).toBe(hostId);
      await placement.release({ consumerId: 'migration' });
      expect((await refusal(member('anti-affinity', { requestedHost: hostId }))).type).toBe('NoValidHost');
      expect(await placement.transfer({ from: first.consumerId, to: 'other', onHost: 'id-elsewhere' })).toEqual({ transferred: false });
    });
  });

  test('a claim takes room, is listed, and is given back', async () => {
    await report('one');
    const request = wish();
    expect(await placement.claim(request)).toEqual({ hostId: 'id-one', hostname: 'one' });
    expect((await placement.hosts({})).hosts).toEqual([{
      hostId: 'id-one', hostname: 'one', availabilityZone: 'nova', enabled: true, alive: true,
      inventory: { vcpus: 4, memoryMb: 4608, diskGb: 40 }, capacity: { vcpus: 16, memoryMb: 4096, diskGb: 40 }, used: request.resources,
    }]);
    const held = [{ consumerId: request.consumerId, hostId: 'id-one', resources: request.resources }];
    expect(await placement.allocations({})).toEqual({ allocations: held });
    expect(await placement.allocations({ hostId: 'id-one' })).toEqual({ allocations: held });
    expect(await placement.allocations({ hostId: 'other' })).toEqual({ allocations: [] });
    expect(await placement.release({ consumerId: request.consumerId })).toEqual({ released: true });
    expect(await placement.release({ consumerId: request.consumerId })).toEqual({ released: false });
    expect((await placement.hosts({})).hosts[0]!.used).toEqual({ vcpus: 0, memoryMb: 0, diskGb: 0 });
    await checkSums();
  });

  test('a repeated claim is the same claim, also at the same moment', async () => {
    await report('one');
    await report('two');
    const request = wish();
    const answers = await Promise.all(Array.from({ length: 10 }, () => placement.claim(request)));
    expect(new Set(answers.map(({ hostId }) => hostId)).size).toBe(1);
    expect(await placement.claim({ ...request, resources: { vcpus: 2, memoryMb: 1, diskGb: 1 } })).toEqual(answers[0]);
    expect((await placement.allocations({})).allocations).toEqual([{ consumerId: request.consumerId, hostId: answers[0]!.hostId, resources: request.resources }]);
    await checkSums();
  });

  test('50 claims at once on 3 hosts through 2 schedulers take exactly what there is', async () => {
    running.push(await startOne(url, broker));
    for (const name of ['one', 'two', 'three']) await report(name);
    // 8 instances of 512 MB fit on each host, 24 in all.
    const results = await Promise.allSettled(Array.from({ length: 50 }, () => placement.claim(wish())));
    const refused = results.filter((result) => result.status === 'rejected');
    expect(refused.map(({ reason }) => (reason as CloudError).type)).toEqual(Array<string>(26).fill('NoValidHost'));
    expect((await placement.hosts({})).hosts.map(({ used }) => used.memoryMb)).toEqual([4096, 4096, 4096]);
    await checkSums();
  });

  test('claims and releases at random through 2 schedulers never break the sums, and end empty', async () => {
    running.push(await startOne(url, broker));
    for (const name of ['one', 'two', 'three']) await report(name);
    await Promise.all(Array.from({ length: 20 }, async (_, worker) => {
      const consumerId = `consumer-${worker % 12}`;
      for (let round = 0; round < 10; round++) {
        await placement.claim(wish({ consumerId, resources: { vcpus: 1, memoryMb: 700, diskGb: 3 } })).catch((error: CloudError) => {
          if (error.type !== 'NoValidHost' && !error.retryable) throw error;
        });
        if (round % 3 === 0) await checkSums();
        await placement.release({ consumerId });
      }
    }));
    await checkSums();
    expect((await placement.allocations({})).allocations).toEqual([]);
    expect((await placement.hosts({})).hosts.map(({ used }) => used.memoryMb)).toEqual([0, 0, 0]);
  });

  test('a scheduler whose picture is old goes on to a host that has room', async () => {
    running.push(await startOne(url, broker));
    await report('one');
    await report('two', { inventory: { vcpus: 4, memoryMb: 1024 + 512, diskGb: 40 } });
    for (let i = 0; i < 2; i++) await placement.hosts({});
    // Behind both schedulers' backs the roomier host fills up.
    await db.updateTable('hosts').set({ capacity_memory_mb: 0 }).where('id', '=', 'id-one').execute();
    expect((await placement.claim(wish())).hostId).toBe('id-two');
    const lost = await Promise.all(running.map(async ({ metrics }) => (await metrics.getSingleMetric('virga_scheduler_lost_races_total')!.get()).values[0]!.value));
    expect(Math.max(...lost)).toBe(1);
  });

  test('a host that just came is found although the picture is older', async () => {
    expect((await refusal(wish())).message).toBe('No valid host was found. No compute host has reported yet.');
    running.push(await startOne(url, broker));
    await placement.hosts({});
    await placement.hosts({});
    await report('late');
    for (let i = 0; i < 4; i++) expect((await placement.claim(wish())).hostId).toBe('id-late');
  });

  test('a refusal names which filter removed how many and why', async () => {
    await report('one');
    await report('two', { enabled: false });
    const error = await refusal(wish({ resources: { vcpus: 1, memoryMb: 8192, diskGb: 1 } }));
    expect(error).toMatchObject({ kind: 'conflict', status: 409, type: 'NoValidHost', retryable: false });
    expect(error.message).toBe(
      'No valid host was found. enabled removed 1 of 2 (1 host disabled: two); memory removed 1 of 1 (memory: needs 8192 MB, the largest host has 4608 MB (1 host)).',
    );
    expect(error.details).toEqual({ filters: [
      { filter: 'alive', before: 2, removed: 0, reason: 'all hosts pass' },
      { filter: 'enabled', before: 2, removed: 1, reason: '1 host disabled: two' },
      { filter: 'vcpus', before: 1, removed: 0, reason: 'all hosts pass' },
      { filter: 'memory', before: 1, removed: 1, reason: 'memory: needs 8192 MB, the largest host has 4608 MB (1 host)' },
    ] });
    expect((await placement.allocations({})).allocations).toEqual([]);
  });

  test('reserved memory and allocation ratios bound what is given away', async () => {
    await report('one', { inventory: { vcpus: 1, memoryMb: 100_512, diskGb: 40 } });
    for (let i = 0; i < 4; i++) await placement.claim(wish({ resources: { vcpus: 1, memoryMb: 1, diskGb: 0 } }));
    expect((await refusal(wish({ resources: { vcpus: 1, memoryMb: 1, diskGb: 0 } }))).message).toContain('vcpus: needs 1, the largest free is 0 on 1 host');
    expect((await refusal(wish({ resources: { vcpus: 0, memoryMb: 99_997, diskGb: 0 } }))).message).toContain('the largest free is 99996 MB');
    await checkSums();
  });

  test('a host whose lease is over gets nothing, by the database\'s clock, and is back with its next report', async () => {
    await report('one', { leaseMs: 0 });
    expect((await refusal(wish())).message).toContain('1 host did not report in time: one');
    expect((await placement.hosts({})).hosts[0]!.alive).toBe(false);
    await report('one');
    const first = await placement.claim(wish());
    expect(first.hostId).toBe('id-one');
    // The picture still says alive: the statement decides.
    await sql`UPDATE hosts SET lease_until = NOW(3) - INTERVAL 1 SECOND`.execute(db);
    expect((await refusal(wish())).message).toContain('did not report in time');
  });

  test('disabling, insisting, excluding, zones, traits', async () => {
    await report('one');
    await report('two', { availabilityZone: 'west', traits: ['COMPUTE_NODE', 'CUSTOM_SSD'], inventory: { vcpus: 4, memoryMb: 2048, diskGb: 40 } });
    expect((await placement.claim(wish({ requiredTraits: ['CUSTOM_SSD'] }))).hostname).toBe('two');
    expect((await placement.claim(wish({ availabilityZone: 'west' }))).hostname).toBe('two');
    expect((await placement.claim(wish({ excludeHostIds: ['id-one'] }))).hostname).toBe('two');
    expect((await placement.claim(wish({ antiAffinityHostIds: ['id-two'] }))).hostname).toBe('one');
    await placement.setHostEnabled({ hostId: 'id-one', enabled: false });
    expect((await refusal(wish({ requestedHost: 'one' }))).message).toContain('1 host disabled: one');
    expect((await placement.claim(wish({ requestedHost: 'one', skipFilters: true }))).hostname).toBe('one');
    await expect(placement.setHostEnabled({ hostId: 'absent', enabled: true })).rejects.toMatchObject({ kind: 'notFound', type: 'HostNotFound' });
    await checkSums();
  });

  test('the room claimed for a migration becomes its instance\'s, and the old room is given back', async () => {
    await report('one');
    await report('two');
    const [instance, migration] = ['instance', 'migration'];
    const from = await placement.claim(wish({ consumerId: instance, requestedHost: 'one' }));
    await placement.claim(wish({ consumerId: migration, requestedHost: 'two' }));
    await checkSums();
    expect(await placement.transfer({ from: migration, to: instance })).toEqual({ transferred: true });
    expect(await placement.transfer({ from: migration, to: instance })).toEqual({ transferred: false });
    const { allocations } = await placement.allocations({});
    expect(allocations.map(({ consumerId, hostId }) => [consumerId, hostId])).toEqual([[instance, 'id-two']]);
    expect((await placement.hosts({})).hosts.find(({ hostId }) => hostId === from.hostId)!.used).toEqual({ vcpus: 0, memoryMb: 0, diskGb: 0 });
    await checkSums();
  });

  test('a shrunken host keeps what it gave and gives no more; a host in use cannot be removed', async () => {
    await report('one');
    const { consumerId } = wish();
    await placement.claim(wish({ consumerId, resources: { vcpus: 1, memoryMb: 4096, diskGb: 1 } }));
    await report('one', { inventory: { vcpus: 4, memoryMb: 2048, diskGb: 40 } });
    expect((await placement.hosts({})).hosts[0]!.used.memoryMb).toBe(4096);
    expect((await refusal(wish())).message).toContain('memory: needs 512 MB');
    await expect(placement.removeHost({ hostId: 'id-one' })).rejects.toMatchObject({ kind: 'conflict', type: 'HostInUse' });
    await placement.release({ consumerId });
    await placement.removeHost({ hostId: 'id-one' });
    await placement.removeHost({ hostId: 'id-one' });
    expect((await placement.hosts({})).hosts).toEqual([]);
  });

  test('hostile words stay words', async () => {
    const hostname = `o'ne"; DROP TABLE hosts; -- \u{1F600}`;
    await report(hostname, { hostId: 'h' });
    expect((await placement.claim(wish({ requestedHost: hostname }))).hostname).toBe(hostname);
    expect((await refusal(wish({ requestedHost: "' OR 1=1 --" }))).type).toBe('NoValidHost');
  });
});

test('while the database is away a claim is refused as repeatable, and works once it is back', async () => {
  const own = await startOwnMariaDb();
  const url = await own.createSchema('placement');
  const db = createDatabase<PlacementDb>({ url, poolSize: 2 });
  await migrate(db, migrations);
  const broker = new MemoryBroker();
  const one = await startOne(url, broker);
  const placement = broker.connect('conductor').client(placementContract);
  await placement.reportHost({ hostId: 'h', hostname: 'h', enabled: true, inventory: { vcpus: 4, memoryMb: 4096, diskGb: 40 }, traits: [], leaseMs: 600_000 });
  const request = { consumerId: 'c', projectId: 'p', resources: { vcpus: 1, memoryMb: 512, diskGb: 1 } };
  await own.kill();
  await expect(placement.claim(request)).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
  await own.start();
  expect((await placement.claim(request)).hostId).toBe('h');
  await one.app.close();
  await one.db.destroy();
  await db.destroy();
  await own.stop();
});
