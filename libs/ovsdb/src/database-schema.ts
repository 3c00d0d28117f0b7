import { InvalidRequestError, ProtocolError } from './errors';

export type AtomType = 'integer' | 'real' | 'boolean' | 'string' | 'uuid';

/** A column's type. A map has `value`; a set has `max` > 1; an optional value has `min` 0 and `max` 1. */
export interface ColumnType {
  readonly key: AtomType;
  readonly value?: AtomType;
  readonly min: number;
  /** `Infinity` for "unlimited". */
  readonly max: number;
}

const atomTypes = new Set<unknown>(['integer', 'real', 'boolean', 'string', 'uuid']);
const uuidColumn: ColumnType = { key: 'uuid', min: 1, max: 1 };

/** The part of a server's schema that this client needs: tables, columns and their types. */
export class DatabaseSchema {
  private constructor(
    readonly name: string,
    readonly version: string,
    private readonly tables: ReadonlyMap<string, ReadonlyMap<string, ColumnType>>,
  ) {}

  /** Reads the answer of `get_schema` (RFC 7047, 3.2); throws ProtocolError when it is malformed. */
  static parse(json: unknown): DatabaseSchema {
    const root = object(json, 'schema');
    const tables = new Map<string, ReadonlyMap<string, ColumnType>>();
    for (const [table, definition] of Object.entries(object(root.tables, 'schema.tables'))) {
      const columns = new Map<string, ColumnType>();
      for (const [column, spec] of Object.entries(object(object(definition, table).columns, `${table}.columns`))) {
        columns.set(column, columnType(object(spec, column).type, `${table}.${column}`));
      }
      columns.set('_uuid', uuidColumn);
      columns.set('_version', uuidColumn);
      tables.set(table, columns);
    }
    return new DatabaseSchema(String(root.name), String(root.version), tables);
  }

  hasTable(table: string): boolean {
    return this.tables.has(table);
  }

  hasColumn(table: string, column: string): boolean {
    return this.tables.get(table)?.has(column) ?? false;
  }

  /** Names of a table's own columns, without `_uuid` and `_version`. */
  columnsOf(table: string): string[] {
    return [...(this.tables.get(table)?.keys() ?? [])].filter((column) => !column.startsWith('_'));
  }

  /** A column's type; throws InvalidRequestError when this server does not have it. */
  column(table: string, column: string): ColumnType {
    const columns = this.tables.get(table);
    if (!columns) throw new InvalidRequestError(`${this.name} ${this.version} has no table ${table}`);
    const type = columns.get(column);
    if (!type) throw new InvalidRequestError(`${this.name} ${this.version} has no column ${table}.${column}`);
    return type;
  }
}

function object(json: unknown, at: string): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new ProtocolError(`${at} is not an object`);
  return json as Record<string, unknown>;
}

function atomType(json: unknown, at: string): AtomType {
  const type = typeof json === 'string' ? json : object(json, at).type;
  if (!atomTypes.has(type)) throw new ProtocolError(`${at} has an unknown type`);
  return type as AtomType;
}

function columnType(json: unknown, at: string): ColumnType {
  if (typeof json === 'string') return { key: atomType(json, at), min: 1, max: 1 };
  const spec = object(json, at);
  const min = spec.min ?? 1;
  const max = spec.max === 'unlimited' ? Infinity : (spec.max ?? 1);
  if (typeof min !== 'number' || typeof max !== 'number') throw new ProtocolError(`${at} has a malformed size`);
  const base = { key: atomType(spec.key, at), min, max };
  return spec.value === undefined ? base : { ...base, value: atomType(spec.value, at) };
}
