import type { TSchema } from '@sinclair/typebox';
import type { Logger, RequestContext } from '@virga/core';
import type { FastifyReply, FastifyRequest, VersionSteps } from '@virga/rest';
import type { Bus, ComputeSettings, Db, NeighbourApis, Neighbours, PolicyEnforcer } from '../../tokens';

export interface ActionContext {
  db: Db;
  bus: Bus;
  neighbours: Neighbours;
  apis: NeighbourApis;
  policy: PolicyEnforcer;
  caller: RequestContext;
  serverId: string;
  settings: ComputeSettings;
  logger: Logger;
  request: FastifyRequest;
  reply: FastifyReply;
  /** Minor number of the version. */
  at: number;
}

/** One key of POST /servers/{id}/action. */
export interface ActionHandler {
  rule: string;
  /** Of the key's value, by version. */
  schema: VersionSteps<TSchema>;
  /** Minor number of the last version that has it; absent when it is still there. */
  until?: number;
  /** HTTP status; 202 unless told otherwise. */
  status?: number;
  run(context: ActionContext, argument: never): Promise<unknown>;
}
