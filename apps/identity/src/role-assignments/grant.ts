import type { FastifyRequest } from 'fastify';
import { forbidden, notFound, type RequestContext } from '@virga/core';
import type { PolicyEnforcer } from '@virga/rest';
import { allowedRow } from '../collection/allowed-row';
import { findRow, holdRow } from '../collection/rows';
import type { ActorType, Exec, ProjectRow, RoleRow, TargetType, Trx } from '../db/tables';
import type { Revoke } from '../revocations/revoker';

/** Who on what; read from the route. */
export interface GrantPlace {
  targetType: TargetType;
  targetId: string;
  actorType: ActorType;
  actorId: string;
  inherited: boolean;
}

const TARGETS: Record<string, TargetType> = { projects: 'project', domains: 'domain', system: 'system' };
const ACTORS: Record<string, ActorType> = { users: 'user', groups: 'group' };

/** The place that a request's path names: `/v3[/OS-INHERIT]/projects|domains/{id}/users|groups/{id}/...`, or `/v3/system/users|groups/{id}/...`. */
export function placeOf(request: FastifyRequest): GrantPlace {
  const { targetId = 'all', actorId = '' } = request.params as { targetId?: string; actorId?: string };
  const words = request.routeOptions.url!.split('/').filter((word) => word !== '' && !word.startsWith(':'));
  const inherited = words.includes('OS-INHERIT');
  const [target = '', actor = ''] = words.filter((word) => word in TARGETS || word in ACTORS);
  return { targetType: TARGETS[target]!, targetId, actorType: ACTORS[actor]!, actorId, inherited };
}

const SYSTEM_RULES = { list: 'list_system_grants', check: 'check_system_grant', create: 'create_system_grant', revoke: 'revoke_system_grant' };
const RULES = { list: 'identity:list_grants', check: 'identity:check_grant', create: 'identity:create_grant', revoke: 'identity:revoke_grant' };
export type GrantAction = keyof typeof RULES;
/** Roles that a domain's manager may hand on. */
const MANAGED = new Set(['manager', 'member', 'reader']);

/** Checks that target and actor exist and that the caller may; returns the domain of the target. */
export async function enforceGrant(db: Exec, policy: PolicyEnforcer, caller: RequestContext, action: GrantAction, place: GrantPlace): Promise<string | undefined> {
  const actorTable = place.actorType === 'user' ? 'users' : 'groups';
  if (place.targetType === 'system') {
    policy.enforce(caller, `identity:${SYSTEM_RULES[action]}_for_${place.actorType}`);
    await findRow(db, actorTable, place.actorType, place.actorId);
    return undefined;
  }
  const rule = RULES[action];
  const domainOf = (row: { id: string; domain_id?: string }) => ({ domainId: row.domain_id ?? row.id });
  const target = await allowedRow<ProjectRow>(db, policy, caller, rule, { table: place.targetType === 'project' ? 'projects' : 'domains', noun: place.targetType, id: place.targetId, target: domainOf });
  await allowedRow<ProjectRow>(db, policy, caller, rule, { table: actorTable, noun: place.actorType, id: place.actorId, target: domainOf });
  return domainOf(target).domainId;
}

/** Keeps target and actor from being deleted under a new assignment; no foreign key can, because each may be of several tables. */
export async function holdPlace(trx: Trx, place: GrantPlace): Promise<void> {
  if (place.targetType !== 'system') await holdRow(trx, place.targetType === 'project' ? 'projects' : 'domains', place.targetType, place.targetId);
  await holdRow(trx, place.actorType === 'user' ? 'users' : 'groups', place.actorType, place.actorId);
}

/** 403 for a role that is not the caller's to give or take, or that belongs to another domain. */
export function checkRole(caller: RequestContext, role: RoleRow, action: 'create' | 'revoke', targetDomainId: string | undefined): void {
  if (!caller.roleNames.has('admin') && !(role.domain_id === '' && MANAGED.has(role.name))) {
    throw forbidden(`You are not authorized to perform the requested action: ${RULES[action]}.`);
  }
  if (role.domain_id !== '' && role.domain_id !== targetDomainId) throw forbidden(`Role ${role.id} of domain ${role.domain_id} cannot be assigned outside of its domain.`);
}

export const noAssignment = (place: GrantPlace, roleId: string) => notFound(
  `Could not find role assignment with role: ${roleId}, user or group: ${place.actorId}, project, domain, or system: ${place.targetId}.`);

/** Voids the tokens that a removed assignment gave its roles to. */
export async function revokeGranted(trx: Trx, revoke: Revoke, place: GrantPlace): Promise<void> {
  const userIds = place.actorType === 'user' ? [place.actorId]
    : (await trx.selectFrom('group_members').select('user_id').where('group_id', '=', place.actorId).execute()).map(({ user_id }) => user_id);
  const oneProject = place.targetType === 'project' && !place.inherited;
  for (const userId of userIds) revoke(oneProject ? { userId, projectId: place.targetId } : { userId });
}
