import { Kind, type TSchema } from '@sinclair/typebox';
import type { Random } from './random';

const deep = (levels: number): unknown => (levels === 0 ? 'x' : { a: deep(levels - 1) });
const UNKNOWN_UUID = '00000000-0000-4000-8000-00000000dead';

/** What nobody should send. */
export const HOSTILE: readonly unknown[] = [
  null, true, 0, -1, 1.5, 2_147_483_648, 9_007_199_254_740_993, 1e308, '', ' ', 'a'.repeat(256), 'b'.repeat(5000), '\u0000', 'nul\u0000inside', '👩‍👩‍👧‍👦', '\u202Eevil', 'e\u0301',
  "' or 1=1 -- ", '"; drop table x; --', '${7*7}', '{{7*7}}', '../../../etc/passwd', '%00', '%', '__proto__', 'constructor', 'toString', '*', '-1', '1e9', 'True', 'null', 'latest',
  '0.0.0.0/0', '::/0', '999.999.999.999', 'fe80::1%eth0', '10.0.0.0/33', 'ff:ff:ff:ff:ff:ff', UNKNOWN_UUID, `${UNKNOWN_UUID}x`, '2.1', '<script>alert(1)</script>', '\r\nX-Evil: 1',
  [], {}, [[]], [null], [{}], ['a', 'a'], { __proto__x: 1 }, { id: 1 }, deep(100), Array(2000).fill('x'),
];

const STRINGS = ['a', 'name', 'fuzz', 'a b', 'ünïcode', '1', 'true', 'x'.repeat(64)];
const FORMATS: Record<string, readonly string[]> = {
  uuid: [UNKNOWN_UUID], 'uuid-like': [UNKNOWN_UUID, UNKNOWN_UUID.replaceAll('-', '')], ip: ['10.0.0.5', 'fd00::5'], ipv4: ['10.0.0.5'], ipv6: ['fd00::5'], mac: ['fa:16:3e:00:00:01'],
  uri: ['http://127.0.0.1:1/'], 'date-time': ['2026-01-01T00:00:00Z'], text: STRINGS, base64: ['YQ=='],
};
/** Words that fields of these names may really hold; without them little would get past the first check. */
const BY_NAME: Record<string, readonly unknown[]> = {
  cidr: ['10.9.0.0/24', 'fd09::/64', '10.9.0.0/30', '10.9.0.1/32', '0.0.0.0/1'], ip_version: [4, 6], gateway_ip: ['10.9.0.1', null, 'fd09::1', 'fe80::1'], prefixes: [['10.8.0.0/16'], ['fd08::/48'], '10.8.0.0/16'],
  ip_address: ['10.9.0.9', 'fd09::9', '10.9.0.0'], fixed_ip_address: ['10.9.0.9'], destination: ['10.7.0.0/16'], nexthop: ['10.9.0.7'], start: ['10.9.0.10'], end: ['10.9.0.90', '10.9.0.5'],
  mac_address: ['fa:16:3e:aa:bb:cc'], protocol: ['tcp', 'icmp', '6', 58, 'any', null], remote_ip_prefix: ['10.0.0.0/8', '::/0'], object_type: ['network', 'subnetpool'], action: ['access_as_shared'],
  target_tenant: ['*', 'f'.repeat(32)], 'provider:network_type': ['geneve', 'vlan', 'flat'], dns_nameservers: [['1.1.1.1']], device_owner: ['compute:nova', 'network:dhcp', ''],
};

function stringFor(schema: TSchema, random: Random): string {
  const { minLength = 0, maxLength = 255, format, pattern } = schema as { minLength?: number; maxLength?: number; format?: string; pattern?: string };
  const known = format === undefined ? undefined : FORMATS[format];
  if (known) return random.pick(known);
  const fitting = pattern === undefined ? STRINGS : [...STRINGS, '1', '-1', '2026-01-01', 'nova', '10.0.0.1', UNKNOWN_UUID].filter((text) => new RegExp(pattern).test(text));
  return random.pick(fitting.length > 0 ? fitting : STRINGS).padEnd(minLength, 'x').slice(0, maxLength);
}

function numberFor(schema: TSchema, random: Random): number {
  const { minimum = 0, maximum = 1000 } = schema as TSchema & { minimum?: number; maximum?: number };
  return random.pick([minimum, maximum, minimum + random.below(Math.min(maximum - minimum + 1, 1000))]);
}

const GENERATORS: Record<string, (schema: TSchema, random: Random, ids: readonly string[]) => unknown> = {
  String: (schema, random) => stringFor(schema, random),
  Integer: (schema, random) => numberFor(schema, random),
  Number: (schema, random) => numberFor(schema, random),
  Boolean: (_schema, random) => random.chance(0.5),
  Null: () => null,
  Literal: (schema) => schema.const as unknown,
  Union: (schema, random, ids) => valueFor(random.pick(schema.anyOf as TSchema[]), random, ids),
  Intersect: (schema, random, ids) => Object.assign({}, ...(schema.allOf as TSchema[]).map((part) => valueFor(part, random, ids))) as unknown,
  Array: (schema, random, ids) => Array.from({ length: Math.min(schema.maxItems as number ?? 3, (schema.minItems as number ?? 0) + random.below(3)) }, () => valueFor(schema.items as TSchema, random, ids)),
  Record: (schema, random, ids) => ({ [random.pick(STRINGS)]: valueFor(Object.values(schema.patternProperties as Record<string, TSchema>)[0]!, random, ids) }),
  Object(schema, random, ids) {
    const required = new Set(schema.required as string[] | undefined);
    return Object.fromEntries(Object.entries(schema.properties as Record<string, TSchema> ?? {}).filter(([name]) => required.has(name) || random.chance(0.4))
      .map(([name, part]) => [name, fieldFor(name, part, random, ids)]));
  },
};

function fieldFor(name: string, schema: TSchema, random: Random, ids: readonly string[]): unknown {
  const known = Object.hasOwn(BY_NAME, name) ? BY_NAME[name] : undefined;
  if (known && random.chance(0.7)) return random.pick(known);
  // What refers to something should sometimes refer to what is there.
  if (/(_id|^id|Ref|_ids|s)$/.test(name) && ids.length > 0 && random.chance(0.7)) return schema[Kind] === 'Array' ? [random.pick(ids)] : random.pick(ids);
  return valueFor(schema, random, ids);
}

/** A value that fits a schema, more or less: what no generator knows is made up. */
export function valueFor(schema: TSchema, random: Random, ids: readonly string[] = []): unknown {
  const generate = GENERATORS[schema[Kind]];
  return generate ? generate(schema, random, ids) : random.pick(HOSTILE);
}

/** The same value with one thing in it wrong: replaced, missing or too much. */
export function spoil(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.15)) return random.pick(HOSTILE);
  if (Array.isArray(value)) {
    if (value.length === 0) return [random.pick(HOSTILE)];
    const at = random.below(value.length);
    return value.map((item: unknown, index) => (index === at ? spoil(item, random) : item));
  }
  const entries = Object.entries(value);
  if (entries.length === 0 || random.chance(0.15)) return { ...value, [random.pick(['unknown', 'id', 'project_id', 'constructor', 'a'.repeat(300), ''])]: random.pick(HOSTILE) };
  const [name] = random.pick(entries);
  return Object.fromEntries(random.chance(0.15) ? entries.filter(([key]) => key !== name) : entries.map(([key, item]) => [key, key === name ? spoil(item, random) : item]));
}
