import type { DatabaseSchema } from './database-schema';
import { ProtocolError } from './errors';
import type { Uuid } from './model';
import { applyDifference, decodeValue, defaultValue, sameValue } from './values';
import type { Value } from './values';

export type RowChange<Row> =
  | { readonly type: 'insert'; readonly uuid: Uuid; readonly row: Row; readonly old?: undefined }
  | { readonly type: 'modify'; readonly uuid: Uuid; readonly row: Row; readonly old: Row }
  | { readonly type: 'delete'; readonly uuid: Uuid; readonly row?: undefined; readonly old: Row };

/** Rows of a cached table by a key that is computed from each row; kept up to date with the table. */
export class RowIndex<Row> {
  private readonly byKey = new Map<string, Set<Row>>();

  constructor(private readonly keyOf: (row: Row) => string | null | undefined) {}

  /** All rows with the key. */
  all(key: string): Row[] {
    return [...(this.byKey.get(key) ?? [])];
  }

  /** Any one row with the key. */
  get(key: string): Row | undefined {
    return this.byKey.get(key)?.values().next().value;
  }

  /** @internal */
  replace(old: Row | undefined, row: Row | undefined): void {
    const before = old && this.keyOf(old);
    const after = row && this.keyOf(row);
    if (before !== null && before !== undefined) {
      const rows = this.byKey.get(before);
      rows?.delete(old as Row);
      if (rows?.size === 0) this.byKey.delete(before);
    }
    if (after !== null && after !== undefined) {
      const rows = this.byKey.get(after) ?? new Set<Row>();
      this.byKey.set(after, rows.add(row as Row));
    }
  }
}

/** The local copy of one monitored table. Rows are frozen: a change puts a new object in place of the old one. */
export class CachedTable<Row extends object> {
  private readonly rows = new Map<string, Row>();
  private readonly indexes: RowIndex<Row>[] = [];

  constructor(readonly name: string) {}

  get size(): number {
    return this.rows.size;
  }

  get(uuid: string): Row | undefined {
    return this.rows.get(uuid);
  }

  all(): IterableIterator<Row> {
    return this.rows.values();
  }

  find(predicate: (row: Row) => boolean): Row | undefined {
    for (const row of this.rows.values()) if (predicate(row)) return row;
    return undefined;
  }

  filter(predicate: (row: Row) => boolean): Row[] {
    return [...this.rows.values()].filter(predicate);
  }

  /** Makes an index, e.g. by a mark in external_ids; rows whose key is null or undefined are left out. */
  index(keyOf: (row: Row) => string | null | undefined): RowIndex<Row> {
    const index = new RowIndex(keyOf);
    for (const row of this.rows.values()) index.replace(undefined, row);
    this.indexes.push(index);
    return index;
  }

  /** @internal */
  put(uuid: string, row: Row | undefined): void {
    const old = this.rows.get(uuid);
    if (row) this.rows.set(uuid, row);
    else this.rows.delete(uuid);
    for (const index of this.indexes) index.replace(old, row);
  }

  /** @internal */
  uuids(): string[] {
    return [...this.rows.keys()];
  }
}

type AnyRow = Readonly<Record<string, Value>>;
type AnyChange = RowChange<AnyRow> & { readonly table: string };

/** What a monitor delivers: the server's schema, and the columns subscribed to by table. */
export interface MonitorView {
  readonly schema: DatabaseSchema;
  readonly columns: ReadonlyMap<string, readonly string[]>;
}

/** All monitored tables, fed with `update2` contents. */
export class MonitorCache {
  private readonly tables = new Map<string, CachedTable<AnyRow>>();

  constructor(names: Iterable<string>) {
    for (const name of names) this.tables.set(name, new CachedTable(name));
  }

  table(name: string): CachedTable<AnyRow> | undefined {
    return this.tables.get(name);
  }

  /** Applies differences to what is there; returns what changed. */
  apply(view: MonitorView, updates: unknown): AnyChange[] {
    const changes: AnyChange[] = [];
    forEachRow(updates, (tableName, uuid, update) => {
      const table = this.tables.get(tableName);
      if (!table) return;
      const old = table.get(uuid);
      const row = nextRow(view, tableName, uuid, old, update);
      if (old === row) return;
      table.put(uuid, row);
      changes.push(change(tableName, uuid, old, row));
    });
    return changes;
  }

  /** Takes a complete initial dump in place of everything that is there; returns only real differences. */
  replace(view: MonitorView, updates: unknown): AnyChange[] {
    const unseen = new Map([...this.tables].map(([name, table]) => [name, new Set(table.uuids())]));
    const changes: AnyChange[] = [];
    forEachRow(updates, (tableName, uuid, update) => {
      const table = this.tables.get(tableName);
      if (!table) return;
      unseen.get(tableName)!.delete(uuid);
      const old = table.get(uuid);
      const row = nextRow(view, tableName, uuid, undefined, update);
      if (!row || (old && sameRow(old, row))) return;
      table.put(uuid, row);
      changes.push(change(tableName, uuid, old, row));
    });
    for (const [name, uuids] of unseen) {
      const table = this.tables.get(name)!;
      for (const uuid of uuids) {
        changes.push(change(name, uuid, table.get(uuid), undefined));
        table.put(uuid, undefined);
      }
    }
    return changes;
  }
}

function change(table: string, id: string, old: AnyRow | undefined, row: AnyRow | undefined): AnyChange {
  const uuid = id as Uuid;
  if (row && old) return { table, type: 'modify', uuid, row, old };
  return row ? { table, type: 'insert', uuid, row } : { table, type: 'delete', uuid, old: old! };
}

function sameRow(a: AnyRow, b: AnyRow): boolean {
  const columns = Object.keys(a);
  return columns.length === Object.keys(b).length && columns.every((column) => sameValue(a[column], b[column]));
}

function record(json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new ProtocolError('malformed update from the server');
  return json as Record<string, unknown>;
}

function forEachRow(updates: unknown, visit: (table: string, uuid: string, update: Record<string, unknown>) => void): void {
  for (const [table, rows] of Object.entries(record(updates))) {
    for (const [uuid, update] of Object.entries(record(rows))) visit(table, uuid, record(update));
  }
}

function nextRow(
  { schema, columns: subscribed }: MonitorView,
  table: string,
  uuid: string,
  old: AnyRow | undefined,
  update: Record<string, unknown>,
): AnyRow | undefined {
  if ('delete' in update) return undefined;
  const whole = update.initial ?? update.insert;
  const given = record(whole ?? update.modify);
  if (whole !== undefined) {
    // A server leaves out the columns that have their type's default value.
    const values = (subscribed.get(table) ?? []).map((column) => {
      const type = schema.column(table, column);
      return [column, Object.hasOwn(given, column) ? decodeValue(type, given[column]) : defaultValue(type)];
    });
    return Object.freeze({ ...Object.fromEntries(values), _uuid: uuid });
  }
  if (!old) throw new ProtocolError(`the server modified ${table} row ${uuid} that it never sent`);
  const values = Object.entries(given).map(([column, json]) => [column, applyDifference(schema.column(table, column), old[column], json)]);
  return Object.freeze({ ...old, ...Object.fromEntries(values) });
}
