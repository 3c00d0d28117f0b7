import type { AtomType, ColumnType } from './database-schema';
import { InvalidRequestError, ProtocolError } from './errors';
import { NamedUuid } from './model';

/** A value as rows hold it: an atom, `null` for an absent optional, an array for a set, an object for a map. */
export type Atom = string | number | boolean;
export type Value = Atom | null | readonly Atom[] | Readonly<Record<string, Atom>>;

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Is the text a UUID in its usual form? */
export function isUuid(text: unknown): text is string {
  return typeof text === 'string' && uuidPattern.test(text);
}

const atomChecks: Record<Exclude<AtomType, 'uuid'>, (value: unknown) => boolean> = {
  integer: Number.isSafeInteger,
  real: Number.isFinite,
  boolean: (value) => typeof value === 'boolean',
  string: (value) => typeof value === 'string',
};

function encodeAtom(type: AtomType, value: unknown, at: string): unknown {
  if (type === 'uuid') {
    if (value instanceof NamedUuid) return ['named-uuid', value.name];
    if (isUuid(value)) return ['uuid', value.toLowerCase()];
  } else if (atomChecks[type](value)) return value;
  throw new InvalidRequestError(`${at}: expected ${type}`);
}

function encodeMapKey(type: AtomType, key: unknown, at: string): unknown {
  const numeric = (type === 'integer' || type === 'real') && typeof key === 'string' && key.trim() !== '';
  return encodeAtom(type, numeric ? Number(key) : key, at);
}

function isMapValue(value: unknown): value is ReadonlyMap<unknown, unknown> | Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Set) && !(value instanceof NamedUuid);
}

function encodeMap(type: ColumnType, value: unknown, at: string): unknown {
  if (!isMapValue(value)) throw new InvalidRequestError(`${at}: expected a map`);
  const entries = value instanceof Map ? [...value] : Object.entries(value).filter(([, item]) => item !== undefined);
  return ['map', entries.map(([key, item]) => [encodeMapKey(type.key, key, at), encodeAtom(type.value!, item, at)])];
}

function encodeSet(type: ColumnType, value: unknown, at: string): unknown {
  const items = Array.isArray(value) ? value : value instanceof Set ? [...value] : value === null ? [] : [value];
  return ['set', items.map((item) => encodeAtom(type.key, item, at))];
}

/**
 * A column's value in wire form (RFC 7047, 5.1). Sizes are left to the server to judge.
 * @param at what to call the place in an error message
 */
export function encodeValue(type: ColumnType, value: unknown, at: string): unknown {
  if (type.value !== undefined) return encodeMap(type, value, at);
  if (type.max > 1 || value === null) {
    if (value === null && type.min === 1 && type.max === 1) throw new InvalidRequestError(`${at}: expected ${type.key}`);
    return encodeSet(type, value, at);
  }
  return encodeAtom(type.key, value, at);
}

/**
 * The value of a mutation (RFC 7047, 5.1): members for `insert`/`delete`, a number for arithmetic.
 * `delete` on a map takes an array or Set of keys, or a map of pairs.
 */
export function encodeMutation(type: ColumnType, mutator: string, value: unknown, at: string): unknown {
  if (mutator !== 'insert' && mutator !== 'delete') return encodeAtom(type.key, value, at);
  if (type.value === undefined) return encodeSet(type, value, at);
  if (mutator === 'delete' && !isMapValue(value)) {
    const keys = value instanceof Set ? [...value] : Array.isArray(value) ? value : [value];
    return ['set', keys.map((key) => encodeMapKey(type.key, key, at))];
  }
  return encodeMap(type, value, at);
}

function decodeAtom(type: AtomType, json: unknown): Atom {
  if (type === 'uuid') {
    if (Array.isArray(json) && json.length === 2 && json[0] === 'uuid' && typeof json[1] === 'string') return json[1];
  } else if (type === 'integer' ? typeof json === 'number' : atomChecks[type](json)) return json as Atom;
  throw new ProtocolError(`expected ${type} from the server, got ${JSON.stringify(json)?.slice(0, 80)}`);
}

/** The members of a set, which a server may write bare when there is exactly one. */
function setMembers(type: AtomType, json: unknown): Atom[] {
  if (Array.isArray(json) && json[0] === 'set') {
    if (!Array.isArray(json[1])) throw new ProtocolError('malformed set from the server');
    return json[1].map((item) => decodeAtom(type, item));
  }
  return [decodeAtom(type, json)];
}

function mapPairs(type: ColumnType, json: unknown): [string, Atom][] {
  if (!Array.isArray(json) || json[0] !== 'map' || !Array.isArray(json[1])) throw new ProtocolError('malformed map from the server');
  return json[1].map((pair: unknown) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw new ProtocolError('malformed map from the server');
    return [String(decodeAtom(type.key, pair[0])), decodeAtom(type.value!, pair[1])];
  });
}

/** A wire value as rows hold it. Integers beyond 2^53 lose precision, as JSON.parse reads them. */
export function decodeValue(type: ColumnType, json: unknown): Value {
  if (type.value !== undefined) return Object.fromEntries(mapPairs(type, json));
  if (type.max > 1) return setMembers(type.key, json);
  if (type.min === 1) return decodeAtom(type.key, json);
  return setMembers(type.key, json)[0] ?? null;
}

const defaultAtoms: Record<AtomType, Atom> = {
  integer: 0,
  real: 0,
  boolean: false,
  string: '',
  uuid: '00000000-0000-0000-0000-000000000000',
};

/** The value that a column has when nobody wrote it (RFC 7047, 5.2.1). */
export function defaultValue(type: ColumnType): Value {
  if (type.value !== undefined) return type.min === 0 ? {} : { [String(defaultAtoms[type.key])]: defaultAtoms[type.value] };
  if (type.max > 1) return type.min === 0 ? [] : [defaultAtoms[type.key]];
  return type.min === 0 ? null : defaultAtoms[type.key];
}

/**
 * The new value of a column from its old one and the difference that `update2`/`update3` carry
 * (ovsdb-server(7)): scalars and optionals come whole; of a set come the members that joined or left; of a map
 * the pairs that joined, left (same value as before) or changed.
 */
export function applyDifference(type: ColumnType, old: Value | undefined, json: unknown): Value {
  if (type.max <= 1) return decodeValue(type, json);
  if (type.value !== undefined) {
    const pairs = new Map<string, Atom>(Object.entries((old ?? {}) as Record<string, Atom>));
    for (const [key, value] of mapPairs(type, json)) {
      if (pairs.get(key) === value) pairs.delete(key);
      else pairs.set(key, value);
    }
    return Object.fromEntries(pairs);
  }
  const members = new Set(old as readonly Atom[] | undefined);
  for (const item of setMembers(type.key, json)) if (!members.delete(item)) members.add(item);
  return [...members];
}

/** Do two values mean the same? The order of sets and maps means nothing. */
export function sameValue(a: Value | undefined, b: Value | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || !a || !b) return false;
  if (Array.isArray(a) || Array.isArray(b)) {
    if (!Array.isArray(a) || !Array.isArray(b) || a.length !== b.length) return false;
    const members = new Set<unknown>(a);
    return b.every((item) => members.has(item));
  }
  const left = Object.entries(a);
  const right = b as Record<string, Atom>;
  return left.length === Object.keys(right).length && left.every(([key, item]) => Object.hasOwn(right, key) && right[key] === item);
}
