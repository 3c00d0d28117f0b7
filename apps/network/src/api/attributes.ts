import { Kind, type Static, type TSchema } from '@sinclair/typebox';
import { badRequest } from '@virga/core';
import { FAULT_STYLES, inputFault, pythonRepr } from '@virga/rest';

/** One attribute of a resource: its form at the API, where it may be given, and where it is kept. */
export interface Attribute {
  schema: TSchema;
  /** In which request it may be given; absent: read only. */
  in?: 'post' | 'put' | 'both';
  required?: true;
  /** What a POST without it means; absent: the verb decides. */
  default?: unknown;
  /** Column of the table; its own name (':' written '_') when absent; false when it is made of other rows. */
  column?: string | false;
  /** Values for which the attribute's policy rule is asked; absent: all but the default. */
  guarded?: (value: unknown) => boolean;
  /** True when rows cannot be picked or sorted by it. */
  opaque?: true;
}
export type Attributes = Record<string, Attribute>;

/** What a checked request holds: every attribute may be absent. */
export type InputOf<A extends Attributes> = { [K in keyof A]?: Static<A[K]['schema']> };

export const columnOf = (name: string, { column }: Attribute): string | undefined =>
  column === false ? undefined : (column ?? name.replaceAll(':', '_').replaceAll('-', '_'));

type Store = 'plain' | 'boolean' | 'json' | 'time';
const STORES: Record<string, Store> = { Boolean: 'boolean', Array: 'json', Object: 'json', Record: 'json', Date: 'time' };
/** The kind of a schema, beside null. */
const kindOf = (schema: TSchema): string =>
  (schema[Kind] === 'Union' ? (schema.anyOf as TSchema[]).find((option) => option[Kind] !== 'Null')! : schema)[Kind];
export const storeOf = ({ schema }: Attribute): Store => STORES[kindOf(schema)] ?? 'plain';

const ENCODERS: Record<Store, (value: unknown) => unknown> = {
  plain: (value) => value,
  boolean: (value) => (value ? 1 : 0),
  json: (value) => JSON.stringify(value),
  time: (value) => value,
};
const DECODERS: Record<Store, (value: unknown) => unknown> = {
  plain: (value) => value,
  boolean: (value) => Boolean(value),
  json: (value) => (typeof value === 'string' ? (JSON.parse(value) as unknown) : value),
  time: (value) => (value as Date).toISOString().replace(/\.\d+Z$/, 'Z'),
};

/** The columns that given attributes are kept in. */
export function encodeColumns(attributes: Attributes, input: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(input).flatMap(([name, value]) => {
    const attribute = attributes[name];
    const column = attribute && columnOf(name, attribute);
    return column === undefined || value === undefined ? [] : [[column, value === null ? null : ENCODERS[storeOf(attribute!)](value)]];
  }));
}

type Decoded = readonly [name: string, column: string, decode: (value: unknown) => unknown];
/** Worked out once for each table of attributes: lists have thousands of rows. */
const decoded = new WeakMap<Attributes, Decoded[]>();
function decodersOf(attributes: Attributes): Decoded[] {
  let known = decoded.get(attributes);
  if (!known) {
    known = Object.entries(attributes).flatMap(([name, attribute]): Decoded[] => {
      const column = columnOf(name, attribute);
      return column === undefined ? [] : [[name, column, DECODERS[storeOf(attribute)]]];
    });
    decoded.set(attributes, known);
  }
  return known;
}

/** The attributes that a row holds by itself. */
export function decodeRow(attributes: Attributes, row: Record<string, unknown>): Record<string, unknown> {
  const view: Record<string, unknown> = {};
  for (const [name, column, decode] of decodersOf(attributes)) if (column in row) view[name] = row[column] === null ? null : decode(row[column]);
  return view;
}

const TRUE = new Set(['true', 'True', '1', 1]);
const FALSE = new Set(['false', 'False', '0', 0]);
/** Booleans and integers written as text are taken, as neutron does. */
function coerce({ schema }: Attribute, value: unknown): unknown {
  if (schema[Kind] === 'Boolean' && typeof value !== 'boolean') return TRUE.has(value as string) ? true : FALSE.has(value as string) ? false : value;
  if (schema[Kind] === 'Integer' && typeof value === 'string' && /^-?\d{1,10}$/.test(value)) return Number(value);
  return value;
}

/** Throws 400 in neutron's words when a value does not fit its attribute. */
export function checkAttribute(name: string, attribute: Attribute, value: unknown): void {
  const fault = inputFault(attribute.schema, value);
  if (!fault) return;
  const { maxLength } = attribute.schema as { maxLength?: number };
  const reason = typeof value === 'string' && maxLength !== undefined && value.length > maxLength
    ? `${pythonRepr(value)} exceeds maximum length of ${maxLength}`
    : attribute.schema[Kind] === 'Boolean' ? `${pythonRepr(value)} cannot be converted to boolean` : fault.reason;
  throw badRequest(FAULT_STYLES.network.invalidInput({ path: [name], value: fault.value, reason }), { type: 'HTTPBadRequest' });
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const refuse = (message: string) => badRequest(message, { type: 'HTTPBadRequest' });

/** The object below `key` of a body; 400 when there is none. */
export function unwrapBody(body: unknown, key: string): Record<string, unknown> {
  if (!isRecord(body) || !Object.hasOwn(body, key)) throw refuse(`Unable to find '${key}' in request body`);
  const inner = body[key];
  if (!isRecord(inner)) throw refuse(`Body contains invalid data`);
  return inner;
}

/** Checks what a request gives; throws 400 for an unknown, misplaced, missing or ill-formed attribute. Nothing is filled in. */
export function readInput(attributes: Attributes, given: Record<string, unknown>, verb: 'post' | 'put'): Record<string, unknown> {
  const values: Record<string, unknown> = { ...given };
  if (Object.hasOwn(values, 'tenant_id')) {
    values.project_id ??= values.tenant_id;
    delete values.tenant_id;
  }
  const unknown = Object.keys(values).filter((name) => !Object.hasOwn(attributes, name));
  if (unknown.length > 0) throw refuse(`Unrecognized attribute(s) '${unknown.slice(0, 10).map((name) => name.slice(0, 100)).join(', ')}'`);
  for (const [name, attribute] of Object.entries(attributes)) {
    if (!Object.hasOwn(values, name)) {
      if (verb === 'post' && attribute.required) throw refuse(`Failed to parse request. Required attribute '${name}' not specified`);
      continue;
    }
    if (attribute.in !== verb && attribute.in !== 'both') {
      throw refuse(verb === 'post' ? `Attribute '${name}' not allowed in POST` : `Cannot update read-only attribute ${name}`);
    }
    values[name] = coerce(attribute, values[name]);
    checkAttribute(name, attribute, values[name]);
  }
  return values;
}

/** What was not given and has a default. */
export function withDefaults(attributes: Attributes, input: Record<string, unknown>): Record<string, unknown> {
  const filled = { ...input };
  for (const [name, { default: value }] of Object.entries(attributes)) if (value !== undefined && filled[name] === undefined) filled[name] = structuredClone(value);
  return filled;
}
