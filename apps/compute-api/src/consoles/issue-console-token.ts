import { randomUUID } from 'node:crypto';
import type { ConsoleHolder } from '@virga/contracts';
import { badRequest, CloudError, conflict, newUuid, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { dbNow } from '../db/time';
import { askHost } from '../hosts/ask-host';
import { getInstance } from '../servers/server.repository';
import type { Bus, ComputeSettings, Db } from '../tokens';
import { hashSecret } from './console-secret';
import { CONSOLE_TYPES } from './console-types';
import { consoleUrl } from './console-url';

export interface ConsoleDeps { db: Db; bus: Bus; settings: ComputeSettings }

/** Forgotten with each new token, so that the table does not grow by itself. */
const FORGET_AT_ONCE = 100;

const notReady = (id: string) => conflict(`Instance ${id} is not ready`);

/** The URL of a console. Its token is in nothing but this answer: the database has its hash. */
export async function issueConsoleToken({ db, bus, settings }: ConsoleDeps, caller: RequestContext, serverId: string, asked: { protocol: string; type: string }): Promise<string> {
  const instance = await getInstance(db, caller, serverId);
  const types = CONSOLE_TYPES[asked.protocol];
  const console = types && Object.hasOwn(types, asked.type) ? types[asked.type]! : undefined;
  if (!console) throw badRequest(`Invalid console type ${asked.type}`, { type: 'ConsoleTypeInvalid' });
  if (console.protocol === undefined) throw badRequest(`Unavailable console type ${asked.type}.`, { type: 'ConsoleTypeUnavailable' });
  if (instance.host_id === null || instance.task_state === 'deleting') throw notReady(serverId);
  const { protocols } = await askHost({ db, bus }, instance.host_id, (host) => host.consoles({ instanceId: serverId })).catch((error: unknown) => {
    // Not there yet, or no more, or a host that does not answer: there is nothing to look at.
    if (error instanceof CloudError && ['notFound', 'unavailable', 'timeout'].includes(error.kind)) throw notReady(serverId);
    throw error;
  });
  if (!protocols.includes(console.protocol)) throw badRequest(`Unavailable console type ${asked.type}.`, { type: 'ConsoleTypeUnavailable' });

  const token = randomUUID();
  const until = sql<Date>`NOW(3) + INTERVAL ${settings.console.tokenSeconds} SECOND`;
  await db.deleteFrom('console_auth_tokens').where('forget_at', '<', dbNow).limit(FORGET_AT_ONCE).execute();
  await db.insertInto('console_auth_tokens').values({
    id: newUuid(), token_hash: hashSecret(token), protocol: console.protocol, console_type: asked.type, instance_id: serverId,
    project_id: caller.project?.id ?? null, user_id: caller.user.id, holder_json: JSON.stringify(holderOf(caller)), created_at: dbNow, expires_at: until, forget_at: until,
  }).execute();
  return consoleUrl(settings.console, console.protocol, console.page, token);
}

const holderOf = ({ user, project, domain, auditIds, issuedAt }: RequestContext): ConsoleHolder => ({
  userId: user.id, userDomainId: user.domain.id, projectId: project?.id ?? null, projectDomainId: project?.domain.id ?? domain?.id ?? null, auditIds, issuedAt,
});
