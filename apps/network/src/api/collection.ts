import type { RawBuilder } from 'kysely';
import type { RequestContext, CloudError } from '@virga/core';
import { notFound } from '@virga/core';
import type { PolicyTarget } from '@virga/rest';
import type { Transaction } from '@virga/db';
import type { Db, NetworkSchema } from '../db/tables';
import type { Attributes } from './attributes';

export type Trx = Transaction<NetworkSchema>;
export type Row = Record<string, unknown> & { id: string };
export type View = Record<string, unknown>;

/** All that the common verbs need to know of a resource. */
export interface Collection {
  /** Table of its rows. */
  table: string;
  /** Key of one in a body, e.g. `security_group`. */
  singular: string;
  /** Key of many in a body, and word in policy rules. */
  plural: string;
  attributes: Attributes;
  /** Neutron's error for an id that is not there (or not the caller's). */
  missing: { type: string; message(id: string): string };
  /** Condition on the table's rows that this caller sees; undefined: all of them. */
  visible(caller: RequestContext): RawBuilder<boolean> | undefined;
  /** Whom a row belongs to, for policy. */
  target(db: Db, row: Row, caller: RequestContext): Promise<PolicyTarget>;
  /** Conditions for parameters that are not columns. */
  filters?: Record<string, (values: string[]) => RawBuilder<boolean>>;
  /** Attributes made of other rows: one object for each row, in order. */
  extend?(db: Db, rows: Row[], caller: RequestContext): Promise<View[]>;
  /** Rules besides `create_<x>:<attribute>` that an input calls for, e.g. `create_port:fixed_ips:ip_address`. */
  rules?(input: Record<string, unknown>, verb: 'create' | 'update'): string[];
  /** Whom a new resource will belong to, for policy; the caller's project when absent. */
  newTarget?(db: Db, caller: RequestContext, input: Record<string, unknown>): Promise<PolicyTarget>;
  /** Runs before a list, e.g. to make what exists once somebody looks. */
  beforeList?(caller: RequestContext): Promise<void>;
  /** Makes it and returns its id. Input is checked, defaults are filled in, project_id is set. */
  create?(trx: Trx, caller: RequestContext, input: Record<string, unknown>): Promise<string>;
  update?(trx: Trx, caller: RequestContext, row: Row, input: Record<string, unknown>): Promise<void>;
  remove?(trx: Trx, caller: RequestContext, row: Row): Promise<void>;
}

export const missing = (collection: Pick<Collection, 'missing'>, id: string): CloudError =>
  notFound(collection.missing.message(id.slice(0, 255)), { type: collection.missing.type });
