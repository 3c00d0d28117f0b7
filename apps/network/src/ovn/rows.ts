import type { NbTables, TableName } from '@virga/ovsdb';
import type { OvnKind } from './sync-queue';

/** Tables in which this service has rows. */
export const OWNED_TABLES = [
  'Logical_Switch', 'Logical_Switch_Port', 'DHCP_Options', 'Port_Group', 'ACL', 'Logical_Router', 'Logical_Router_Port', 'Gateway_Chassis', 'Logical_Router_Static_Route', 'NAT',
] as const satisfies readonly TableName<NbTables>[];
export type OwnedTable = (typeof OWNED_TABLES)[number];

/** Tables whose rows live only as long as another row lists them: the listing table and its column. */
export const LISTED_IN: Partial<Record<OwnedTable, [table: OwnedTable, column: string]>> = {
  Logical_Switch_Port: ['Logical_Switch', 'ports'],
  ACL: ['Port_Group', 'acls'],
  Logical_Router_Port: ['Logical_Router', 'ports'],
  Gateway_Chassis: ['Logical_Router_Port', 'gateway_chassis'],
  Logical_Router_Static_Route: ['Logical_Router', 'static_routes'],
  NAT: ['Logical_Router', 'nat'],
};

/** A kind of resource, or `cloud` for what belongs to all. */
export type OwnerKind = OvnKind | 'cloud';

/** Names a row of ours: the resource it belongs to, and which of the resource's rows it is. */
export class RowName {
  constructor(readonly kind: OwnerKind, readonly id: string, readonly part: string) {}

  get owner(): string { return ownerKey(this.kind, this.id); }
}
export const ownerKey = (kind: OwnerKind, id: string): string => `${kind}/${id}`;

export type ColumnValue = string | number | boolean | null | readonly string[] | Readonly<Record<string, string>> | RowName;

/** A row as it shall be. Columns that are not named are not looked at. */
export interface DesiredRow {
  table: OwnedTable;
  part: string;
  columns: Record<string, ColumnValue>;
  /** More keys of external_ids, beside the marks. */
  externalIds?: Record<string, string>;
  /** The row that lists this one, for the tables of LISTED_IN. */
  parent?: RowName;
  /** Names of the port groups that a switch port is in; it is in no other of ours. */
  groups?: readonly string[];
}

/** All rows of one resource; none when it is gone. */
export interface DesiredResource { kind: OwnerKind; id: string; revision: number; rows: DesiredRow[] }

/** Marks in external_ids, by which our rows are known. No row without them is ever touched. */
export const MARKS = { kind: 'virga:kind', id: 'virga:id', part: 'virga:part', revision: 'virga:rev' } as const;
