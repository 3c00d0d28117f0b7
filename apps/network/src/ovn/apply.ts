import { NamedUuid, type NbTables, type Transaction } from '@virga/ovsdb';
import type { CachedRow, Northbound } from './northbound';
import { LISTED_IN, MARKS, OWNED_TABLES, RowName, ownerKey, type ColumnValue, type DesiredResource, type DesiredRow, type OwnedTable } from './rows';

/** A row that a desired one refers to is not there (yet): its own resource has to be written first. */
export class MissingReferenceError extends Error {
  constructor(readonly missing: RowName) {
    super(`${missing.kind} ${missing.id} has no ${missing.part} row`);
  }
}

type Reference = string | NamedUuid;
type Written = string | number | boolean | null | readonly string[] | Readonly<Record<string, string>> | NamedUuid;
// The tables differ in their columns; which column fits which table is what the renderers know.
type AnyTransaction = Transaction<Record<string, Record<string, never>>>;

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) && Array.isArray(b)) {
    const members = new Set(a as unknown[]);
    return members.size === new Set(b as unknown[]).size && b.every((item) => members.has(item));
  }
  const [left, right] = [a as Record<string, unknown>, b as Record<string, unknown>];
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => left[key] === right[key]);
}

/** Collects in one transaction what makes a resource's rows what they shall be. */
class ResourceChange {
  private readonly trx: AnyTransaction;
  /** Rows that this transaction inserts, by `owner/part`. */
  private readonly inserted = new Map<string, NamedUuid>();
  private readonly kept = new Set<string>();

  constructor(private readonly northbound: Northbound, private readonly desired: DesiredResource, transaction: Transaction<NbTables>) {
    this.trx = transaction as unknown as AnyTransaction;
  }

  collect(): void {
    for (const row of this.desired.rows) this.put(row);
    const owner = ownerKey(this.desired.kind, this.desired.id);
    for (const table of OWNED_TABLES) {
      for (const row of this.northbound.ownedBy(table, owner)) if (!this.kept.has(row._uuid)) this.drop(table, row);
    }
  }

  private put(row: DesiredRow): void {
    const columns: Record<string, Written> = Object.fromEntries(Object.entries(row.columns).map(([name, value]) => [name, this.resolve(value)]));
    const marks = { ...row.externalIds, [MARKS.kind]: this.desired.kind, [MARKS.id]: this.desired.id, [MARKS.part]: row.part, [MARKS.revision]: String(this.desired.revision) };
    const parent = row.parent && this.resolve(row.parent) as Reference;
    const existing = this.existing(row, parent);
    if (existing) {
      this.kept.add(existing._uuid);
      // Keys that others keep on our row stay.
      columns.external_ids = { ...existing.external_ids, ...marks };
      const changes = Object.fromEntries(Object.entries(columns).filter(([name, value]) => !same(existing[name], value)));
      if (Object.keys(changes).length > 0) this.trx.update(row.table, existing._uuid, changes as never);
      if (row.groups) this.join(existing._uuid, row.groups);
      return;
    }
    const named = this.trx.insert(row.table, { ...columns, external_ids: marks } as never);
    this.inserted.set(`${ownerKey(this.desired.kind, this.desired.id)}/${row.part}`, named);
    if (parent) {
      const [table, column] = LISTED_IN[row.table]!;
      this.trx.mutate(table, parent, [[column, 'insert', [named]] as never]);
    }
    if (row.groups) this.join(named, row.groups);
  }

  /** Our row of the same name and table, below the right parent; one below another parent is dropped and made anew. */
  private existing(row: DesiredRow, parent: Reference | undefined): CachedRow | undefined {
    return this.northbound.ownedBy(row.table, ownerKey(this.desired.kind, this.desired.id))
      .find((candidate) => candidate.external_ids[MARKS.part] === row.part && !this.kept.has(candidate._uuid)
        && (parent === undefined || this.lists(row.table, parent, candidate._uuid)));
  }

  private lists(table: OwnedTable, parent: Reference, uuid: string): boolean {
    const [parentTable, column] = LISTED_IN[table]!;
    const row = typeof parent === 'string' ? this.northbound.rows(parentTable).get(parent) : undefined;
    return row !== undefined && (row[column] as readonly string[]).includes(uuid);
  }

  private listing(table: OwnedTable, uuid: string): CachedRow[] {
    const listed = LISTED_IN[table];
    if (!listed) return [];
    const [parentTable, column] = listed;
    return [...this.northbound.rows(parentTable).all()].filter((row) => (row[column] as readonly string[]).includes(uuid));
  }

  private drop(table: OwnedTable, row: CachedRow): void {
    const listed = LISTED_IN[table];
    if (!listed) {
      this.trx.delete(table, row._uuid);
      return;
    }
    // The server collects what nobody lists any more.
    for (const parent of this.listing(table, row._uuid)) this.trx.mutate(listed[0], parent._uuid, [[listed[1], 'delete', [row._uuid]] as never]);
  }

  private join(port: Reference, groups: readonly string[]): void {
    const wanted = new Set(groups);
    for (const group of this.northbound.rows('Port_Group').all()) {
      if (group.external_ids[MARKS.kind] === undefined) continue;
      const member = typeof port === 'string' && (group.ports as readonly string[]).includes(port);
      if (wanted.delete(group.name as string)) {
        if (!member) this.trx.mutate('Port_Group', group._uuid, [['ports', 'insert', [port]] as never]);
      } else if (member) {
        this.trx.mutate('Port_Group', group._uuid, [['ports', 'delete', [port]] as never]);
      }
    }
    const [unknown] = wanted;
    if (unknown !== undefined) throw new MissingReferenceError(new RowName('security_group', unknown, 'group'));
  }

  private resolve(value: ColumnValue): Written {
    if (!(value instanceof RowName)) return value;
    const fresh = this.inserted.get(`${value.owner}/${value.part}`);
    if (fresh) return fresh;
    for (const table of OWNED_TABLES) {
      const row = this.northbound.ownedBy(table, value.owner).find((candidate) => candidate.external_ids[MARKS.part] === value.part);
      if (row) return row._uuid;
    }
    throw new MissingReferenceError(value);
  }
}

/**
 * Makes the northbound rows of a resource what they shall be, in one transaction that holds only while this process
 * has the lock. Returns false when there was nothing to do.
 */
export async function applyResource(northbound: Northbound, lock: string, desired: DesiredResource): Promise<boolean> {
  const transaction = northbound.client.transaction();
  transaction.assertLock(lock);
  const before = transaction.size;
  new ResourceChange(northbound, desired, transaction).collect();
  if (transaction.size === before) return false;
  await northbound.client.commit(transaction);
  return true;
}

/** True when `applyResource` would have something to do, or could not do it. Changes nothing. */
export function differs(northbound: Northbound, desired: DesiredResource): boolean {
  const transaction = northbound.client.transaction();
  try {
    new ResourceChange(northbound, desired, transaction).collect();
  } catch (error) {
    if (error instanceof MissingReferenceError) return true;
    throw error;
  }
  return transaction.size > 0;
}
