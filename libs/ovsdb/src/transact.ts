import type { DatabaseSchema } from './database-schema';
import { InvalidRequestError, ProtocolError, transactionError } from './errors';
import { NamedUuid } from './model';
import type { Condition, Stored, TableName, TableSet, Uuid, Where, WritableRow } from './model';
import { decodeValue, encodeMutation, encodeValue, isUuid } from './values';

export type Mutator = '+=' | '-=' | '*=' | '/=' | '%=' | 'insert' | 'delete';

/** `[column, mutator, value]`: a number for arithmetic, members for `insert` and `delete`, keys to `delete` from a map. */
export type Mutation<Row> = {
  [C in keyof Row]-?: readonly [C, Mutator, NonNullable<WritableRow<Row>[C]> | readonly string[] | number];
}[keyof Row];

/** What a `wait` looks for. */
export interface WaitFor<Row> {
  readonly where: Where<Row>;
  /** The columns to compare; those of `rows` and no others. */
  readonly columns: readonly (keyof Row | '_uuid')[];
  /** The rows that the columns of the matching rows are compared with, as a set. */
  readonly rows: readonly (WritableRow<Row> & { readonly _uuid?: string })[];
  readonly until: '==' | '!=';
  /** Milliseconds the server may wait; 0 (the default) checks once. */
  readonly timeoutMs?: number;
}

/** Handle of an operation, to ask the result for its part. */
export interface Step<Kind extends string = string, Row = unknown> {
  readonly kind: Kind;
  readonly position: number;
  /** Only for the compiler; never present. */
  readonly row?: Row;
}

interface Operation {
  readonly op: string;
  readonly table?: string;
  readonly build: (schema: DatabaseSchema) => Record<string, unknown>;
}

let nameCounter = 0;

/**
 * Collects operations that take effect together or not at all. Nothing is sent until it is committed by a
 * client; values are checked against the server's schema at that moment.
 */
export class Transaction<Tables extends TableSet> {
  private readonly operations: Operation[] = [];
  private readonly inserted = new Map<NamedUuid, number>();

  get size(): number {
    return this.operations.length;
  }

  /** Inserts a row; the result may be used as a reference by the other operations of this transaction. */
  insert<T extends TableName<Tables>>(table: T, row: WritableRow<Tables[T]>): NamedUuid<T> {
    const named = new NamedUuid(`row${++nameCounter}`, table);
    const step = this.add('insert', table, (schema) => ({ row: encodeRow(schema, table, row), 'uuid-name': named.name }));
    this.inserted.set(named, step.position);
    return named;
  }

  /** Sets columns of every matching row. */
  update<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>, row: WritableRow<Tables[T]>): Step<'count'> {
    return this.add('update', table, (schema) => ({ where: encodeWhere(schema, table, where), row: encodeRow(schema, table, row) }));
  }

  /** Changes columns of every matching row in place, e.g. adds members to a set. */
  mutate<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>, mutations: readonly Mutation<Tables[T]>[]): Step<'count'> {
    return this.add('mutate', table, (schema) => ({
      where: encodeWhere(schema, table, where),
      mutations: mutations.map(([column, mutator, value]) => {
        const name = String(column);
        return [name, mutator, encodeMutation(schema.column(table, name), mutator, value, `${table}.${name}`)];
      }),
    }));
  }

  /** Deletes every matching row; rows that only it referred to are collected by the server. */
  delete<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>): Step<'count'> {
    return this.add('delete', table, (schema) => ({ where: encodeWhere(schema, table, where) }));
  }

  /** Reads rows as they are at this point of the transaction. */
  select<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>): Step<'rows', Tables[T]>;
  select<T extends TableName<Tables>, C extends keyof Tables[T] & string>(
    table: T,
    where: Where<Tables[T]>,
    columns: readonly C[],
  ): Step<'rows', Pick<Tables[T], C>>;
  select(table: TableName<Tables>, where: unknown, columns?: readonly string[]): Step<'rows', never> {
    return this.add('select', table, (schema) => ({
      where: encodeWhere(schema, table, where),
      columns: ['_uuid', ...(columns ?? schema.columnsOf(table))],
    }));
  }

  /** Makes the transaction fail with WaitTimedOutError unless the comparison holds (in time). */
  wait<T extends TableName<Tables>>(table: T, condition: WaitFor<Tables[T]>): Step<'check'> {
    return this.add('wait', table, (schema) => ({
      where: encodeWhere(schema, table, condition.where),
      columns: condition.columns,
      rows: condition.rows.map((row) => encodeRow(schema, table, row)),
      until: condition.until,
      timeout: condition.timeoutMs ?? 0,
    }));
  }

  /** Compare-and-set: fails with WaitTimedOutError unless a row matches right now. */
  requireSome<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>): Step<'check'> {
    return this.wait(table, { where, columns: ['_uuid'], rows: [], until: '!=' });
  }

  /** Compare-and-set: fails with WaitTimedOutError if any row matches right now. */
  requireNone<T extends TableName<Tables>>(table: T, where: Where<Tables[T]>): Step<'check'> {
    return this.wait(table, { where, columns: ['_uuid'], rows: [], until: '==' });
  }

  /** Writes a line into the server's transaction log. */
  comment(text: string): Step<'check'> {
    return this.add('comment', undefined, () => ({ comment: text }));
  }

  /** Makes the transaction fail with NotLockOwnerError unless this connection holds the lock. */
  assertLock(name: string): Step<'check'> {
    return this.add('assert', undefined, () => ({ lock: name }));
  }

  /** The operations in wire form; throws InvalidRequestError for what the schema does not have. */
  encode(schema: DatabaseSchema): Record<string, unknown>[] {
    return this.operations.map(({ op, table, build }) => ({ op, ...(table === undefined ? {} : { table }), ...build(schema) }));
  }

  /** Checks the answer of `transact` and opens it; throws the error class of the first failed operation. */
  decode(schema: DatabaseSchema, answer: unknown): TransactionResult {
    if (!Array.isArray(answer)) throw new ProtocolError('transact: the answer is not a list');
    const failed = answer.findIndex((item) => item !== null && typeof item === 'object' && 'error' in item && item.error);
    if (failed >= 0) {
      const { error, details } = answer[failed] as { error: unknown; details?: unknown };
      throw transactionError(String(error), details === undefined ? '' : String(details), failed < this.size ? failed : undefined);
    }
    if (answer.length !== this.size) throw new ProtocolError(`transact: ${answer.length} answers for ${this.size} operations`);
    return new TransactionResult(schema, answer, this.inserted, this.operations.map((operation) => operation.table));
  }

  private add<K extends string, Row>(op: string, table: string | undefined, build: Operation['build']): Step<K, Row> {
    this.operations.push({ op, build, ...(table === undefined ? {} : { table }) });
    return { kind: op as K, position: this.operations.length - 1 };
  }
}

/** What a committed transaction did. */
export class TransactionResult {
  constructor(
    private readonly schema: DatabaseSchema,
    private readonly answers: readonly unknown[],
    private readonly inserted: ReadonlyMap<NamedUuid, number>,
    private readonly tables: readonly (string | undefined)[],
  ) {}

  /** The identity that the server gave to an inserted row. */
  uuid(named: NamedUuid): Uuid {
    const position = this.inserted.get(named);
    if (position === undefined) throw new InvalidRequestError(`${named.table} row was not inserted by this transaction`);
    const { uuid } = this.answers[position] as { uuid?: unknown };
    if (!Array.isArray(uuid) || !isUuid(uuid[1])) throw new ProtocolError('insert: no uuid in the answer');
    return uuid[1] as Uuid;
  }

  /** How many rows an update, mutate or delete met. */
  count(step: Step<'count'>): number {
    const { count } = this.answers[step.position] as { count?: unknown };
    if (typeof count !== 'number') throw new ProtocolError('no count in the answer');
    return count;
  }

  /** The rows that a select read. */
  rows<Row>(step: Step<'rows', Row>): Stored<Row>[] {
    const { rows } = this.answers[step.position] as { rows?: unknown };
    const table = this.tables[step.position]!;
    if (!Array.isArray(rows)) throw new ProtocolError('select: no rows in the answer');
    return rows.map((row: Record<string, unknown>) => decodeRow(this.schema, table, row) as Stored<Row>);
  }
}

function encodeRow(schema: DatabaseSchema, table: string, row: object): Record<string, unknown> {
  const written = Object.entries(row).filter(([, value]) => value !== undefined);
  return Object.fromEntries(written.map(([column, value]) => [column, encodeValue(schema.column(table, column), value, `${table}.${column}`)]));
}

/** Conditions in wire form (RFC 7047, 5.1). */
export function encodeConditions(schema: DatabaseSchema, table: string, conditions: readonly Condition<never>[]): unknown[] {
  return (conditions as readonly (readonly [string, string, unknown])[]).map(([column, operator, value]) => [
    column,
    operator,
    encodeValue(schema.column(table, column), value, `${table}.${column}`),
  ]);
}

function encodeWhere(schema: DatabaseSchema, table: string, where: unknown): unknown[] {
  if (typeof where !== 'string' && !(where instanceof NamedUuid)) return encodeConditions(schema, table, where as readonly Condition<never>[]);
  return [['_uuid', '==', encodeValue(schema.column(table, '_uuid'), where, `${table}._uuid`)]];
}

/** A row as it comes over the wire, in the form rows have in this library. */
export function decodeRow(schema: DatabaseSchema, table: string, row: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([column, value]) => [column, decodeValue(schema.column(table, column), value)]));
}
