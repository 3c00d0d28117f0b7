import { CloudError, type RequestContext } from '@virga/core';
import type { PolicyEnforcer, PolicyTarget } from '@virga/rest';
import type { Exec } from '../db/tables';
import { findRow } from './rows';

export interface Wanted<Row> {
  table: string;
  noun: string;
  id: string;
  /** What the rule needs to know of the row. */
  target: (row: Row) => PolicyTarget;
}

/** The row, once the caller may. One that is not there is 404 for those who may see any, and 403 for all others. */
export async function allowedRow<Row>(db: Exec, policy: PolicyEnforcer, caller: RequestContext, rule: string, { table, noun, id, target }: Wanted<Row>): Promise<Row> {
  try {
    const row = await findRow<Row>(db, table, noun, id);
    policy.enforce(caller, rule, target(row));
    return row;
  } catch (error) {
    if (error instanceof CloudError && error.kind === 'notFound') policy.enforce(caller, rule, {});
    throw error;
  }
}
