import { OvsdbClient } from './client';
import { TransactionError } from './errors';
import { ovnNorthbound } from './schema/ovn-nb';
import type { NbTables } from './schema/ovn-nb';
import { TestServer, schemaFiles, storyDirectory, until } from './testing/ovsdb-server';
import { seeded } from './testing/random';
import type { Value } from './values';

const directory = storyDirectory();
const server = new TestServer(directory.path, 'nb', schemaFiles.northbound);
const monitor = { Logical_Switch: 'all', Logical_Switch_Port: 'all', DHCP_Options: 'all', Port_Group: 'all', Address_Set: 'all', NB_Global: 'all' } as const;
const tables = Object.keys(monitor) as (keyof typeof monitor)[];
const options = { remotes: [server.remote], backoffMs: { first: 10, last: 50 } };
const observer = new OvsdbClient(ovnNorthbound, { ...options, monitor });
const writer = new OvsdbClient(ovnNorthbound, options);

beforeAll(async () => {
  await server.start();
  await Promise.all([observer.connect(), writer.connect()]);
  const tx = writer.transaction();
  tx.insert('NB_Global', {});
  await writer.commit(tx);
});
afterAll(async () => {
  await Promise.all([observer.close(), writer.close()]);
  await server.stop();
  directory.remove();
});

/** Rows in a form in which the order of sets and maps is of no account. */
function canonical(rows: Iterable<object>): unknown[] {
  const value = (item: Value): unknown => {
    if (Array.isArray(item)) return [...item].sort();
    return item !== null && typeof item === 'object' ? Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)) : item;
  };
  const row = (item: object) => Object.fromEntries(Object.entries(item).map(([column, content]) => [column, value(content as Value)]));
  return [...rows].map(row).sort((a, b) => (String(a._uuid) < String(b._uuid) ? -1 : 1));
}

type Random = ReturnType<typeof seeded>;

const words = ['a', 'b', 'ż', '', '__proto__', 'x y', '"', '\\', '{'];
const randomMap = (random: Random): Record<string, string> =>
  Object.fromEntries(Array.from({ length: random.below(4) }, () => [random.pick(words), random.pick(words)]));
const randomSet = (random: Random): string[] => [...new Set(Array.from({ length: random.below(5) }, () => random.pick(words)))];

/** One random operation on rows that exist; the server may refuse it. */
async function step(random: Random, number: number): Promise<void> {
  const tx = writer.transaction();
  const uuidOf = async (table: keyof NbTables & (typeof tables)[number]) => {
    const rows = [...observer.table(table).all()];
    return rows.length === 0 ? undefined : random.pick(rows)._uuid;
  };
  const ls = await uuidOf('Logical_Switch');
  const port = await uuidOf('Logical_Switch_Port');
  const options4 = await uuidOf('DHCP_Options');
  const set = await uuidOf('Address_Set');
  const group = await uuidOf('Port_Group');
  const steps: (() => void)[] = [
    () => tx.insert('Logical_Switch', { name: `s${number}`, other_config: randomMap(random), external_ids: randomMap(random) }),
    () => tx.insert('Address_Set', { name: `as${random.below(6)}`, addresses: randomSet(random) }),
    () => tx.insert('DHCP_Options', { cidr: '10.0.0.0/24', options: randomMap(random) }),
    () => tx.insert('Port_Group', { name: `pg${random.below(6)}`, ports: port ? [port] : [] }),
    () => {
      if (!ls) return;
      const made = tx.insert('Logical_Switch_Port', { name: `p${number}`, addresses: randomSet(random), dhcpv4_options: options4 ?? null, up: random.pick([true, false, null]) });
      tx.mutate('Logical_Switch', ls, [['ports', 'insert', [made]]]);
    },
    () => port && tx.update('Logical_Switch_Port', port, { up: random.pick([true, false, null]), addresses: randomSet(random), tag_request: random.pick([null, 0, 7]) }),
    () => port && tx.mutate('Logical_Switch_Port', port, [['addresses', random.pick(['insert', 'delete']), randomSet(random)]]),
    () => port && tx.mutate('Logical_Switch_Port', port, [['external_ids', 'insert', randomMap(random)], ['external_ids', 'delete', randomSet(random)]]),
    () => ls && tx.update('Logical_Switch', ls, { external_ids: randomMap(random) }),
    () => ls && port && tx.mutate('Logical_Switch', ls, [['ports', 'delete', [port]]]),
    () => group && port && tx.mutate('Port_Group', group, [['ports', random.pick(['insert', 'delete']), [port]]]),
    () => set && tx.mutate('Address_Set', set, [['addresses', random.pick(['insert', 'delete']), randomSet(random)]]),
    () => random.below(4) === 0 && ls && tx.delete('Logical_Switch', ls),
    () => random.below(4) === 0 && options4 && tx.delete('DHCP_Options', options4),
    () => tx.mutate('NB_Global', [], [['nb_cfg', '+=', 1], ['options', 'insert', randomMap(random)]]),
  ];
  for (let i = random.below(3); i >= 0; i--) random.pick(steps)();
  await writer.commit(tx).catch((error: unknown) => {
    if (!(error instanceof TransactionError)) throw error;
  });
}

/** The observer has seen everything once it shows this mark. */
async function settled(mark: string): Promise<void> {
  const tx = writer.transaction();
  tx.update('NB_Global', [], { name: mark });
  await writer.commit(tx);
  await until(`mark ${mark}`, () => observer.table('NB_Global').find((row) => row.name === mark));
}

async function compare(): Promise<void> {
  for (const table of tables) expect({ table, rows: canonical(observer.table(table).all()) }).toEqual({ table, rows: canonical(await writer.select(table, [])) });
}

test.each([1, 2, 3])('the local copy equals the server after random operations (seed %i)', async (seed) => {
  const random = seeded(seed);
  const replay = new Map<string, object>(tables.flatMap((table) => [...observer.table(table).all()].map((row) => [row._uuid, row])));
  const stops = tables.map((table) =>
    observer.watch(table, ({ type, uuid, row, old }) => {
      // The events alone must tell the whole story: what they say was there, was there.
      expect(replay.get(uuid)).toBe(old);
      if (type === 'delete') replay.delete(uuid);
      else replay.set(uuid, row);
    }),
  );
  for (let number = 0; number < 300; number++) {
    await step(random, number);
    if (number % 60 === 59) {
      await settled(`${seed}-${number}`);
      await compare();
    }
  }
  expect([...replay.keys()].sort()).toEqual(tables.flatMap((table) => [...observer.table(table).all()].map((row) => row._uuid as string)).sort());
  expect(observer.table('Logical_Switch').size).toBeGreaterThan(5);
  for (const stop of stops) stop();
});

test.each([11, 12])('also when the server is killed and compacted in between (seed %i)', async (seed) => {
  const random = seeded(seed);
  for (let round = 0; round < 4; round++) {
    for (let number = 0; number < 40; number++) await step(random, number);
    if (round === 2) server.control('ovsdb-server/compact');
    const gone = Promise.all([observer, writer].map((client) => new Promise((resolve) => client.once('disconnected', resolve))));
    await server.stop('SIGKILL');
    await gone;
    await server.start();
    await until('both clients', () => observer.connected && writer.connected);
    await settled(`${seed}-${round}`);
    await compare();
  }
});
