declare const uuidBrand: unique symbol;

/** A row's identity as read from a server. Assignable to string; where a reference is written, a string will do. */
export type Uuid = string & { readonly [uuidBrand]: true };

/** Stands for a row that the same transaction inserts. */
export class NamedUuid<Table extends string = string> {
  constructor(
    readonly name: string,
    readonly table: Table,
  ) {}
}

/** Rows of a database by table name; the generated schema modules export one each. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type TableSet = Record<string, any>;

export type TableName<Tables extends TableSet> = keyof Tables & string;

/** A column's value as accepted for writing: references also by name, sets also as Set, maps also as Map. */
export type Writable<V> = V extends Uuid
  ? string | NamedUuid
  : V extends string | number | boolean | null
    ? V
    : V extends readonly (infer E)[]
      ? readonly Writable<E>[] | ReadonlySet<Writable<E>>
      : V extends Readonly<Record<string, infer E>>
        ? Readonly<Record<string, Writable<E>>> | ReadonlyMap<string, Writable<E>>
        : never;

/** The columns to write. `undefined` leaves a column alone, `null` empties an optional one. */
export type WritableRow<Row> = { readonly [C in keyof Row]?: Writable<Row[C]> | undefined };

/** Any row as read: its columns and its identity. */
export type Stored<Row> = Readonly<Row> & { readonly _uuid: Uuid };

export type ConditionFunction = '==' | '!=' | 'includes' | 'excludes' | '<' | '<=' | '>' | '>=';

/** `[column, function, value]`; conditions in a list are joined by "and". */
export type Condition<Row> =
  | { [C in keyof Row]-?: readonly [C, ConditionFunction, Writable<Row[C]>] }[keyof Row]
  | readonly ['_uuid', '==' | '!=', string | NamedUuid];

/** Which rows: one row by its identity, or all that meet every condition (an empty list means every row). */
export type Where<Row> = string | NamedUuid | readonly Condition<Row>[];

/** What to keep a copy of: every column, the named columns, or columns of the rows that meet at least one condition. */
export type TableMonitor<Row> =
  | 'all'
  | readonly (keyof Row & string)[]
  | { readonly columns: 'all' | readonly (keyof Row & string)[]; readonly anyOf: readonly Condition<Row>[] };

export type MonitorSpec<Tables extends TableSet> = { readonly [T in TableName<Tables>]?: TableMonitor<Tables[T]> };

type ColumnsOf<Row, M> = M extends 'all'
  ? Row
  : M extends readonly (infer C)[]
    ? Pick<Row, C & keyof Row>
    : M extends { columns: infer C }
      ? ColumnsOf<Row, C>
      : never;

/** A row in the local copy: only the columns that were asked for. */
export type MonitoredRow<Tables extends TableSet, M, T extends string> = T extends keyof M & keyof Tables
  ? Stored<ColumnsOf<Tables[T], M[T]>>
  : never;

/** Names a database and carries the types of its tables. */
export interface DatabaseModel<Tables extends TableSet> {
  readonly name: string;
  /** Only for the compiler; never present. */
  readonly tables?: Tables;
}

/** Declares a database for which types were generated. */
export function database<Tables extends TableSet>(name: string): DatabaseModel<Tables> {
  return { name };
}
