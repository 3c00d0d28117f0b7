import type { TSchema } from '@sinclair/typebox';
import type { RequestContext } from '@virga/core';
import type { VersionSteps } from '@virga/rest';
import type { Bus, Db, PolicyEnforcer } from '../../tokens';

export interface ActionContext {
  db: Db;
  bus: Bus;
  policy: PolicyEnforcer;
  caller: RequestContext;
  serverId: string;
  /** Minor number of the version. */
  at: number;
}

/** One key of POST /servers/{id}/action. */
export interface ActionHandler {
  rule: string;
  /** Of the key's value, by version. */
  schema: VersionSteps<TSchema>;
  /** HTTP status; 202 unless told otherwise. */
  status?: number;
  run(context: ActionContext, argument: never): Promise<unknown>;
}
