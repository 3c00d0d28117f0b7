import { sql } from '@virga/db';
import type { RawBuilder } from 'kysely';
import type { Exec, Flag } from '../db/tables';

/** A project or domain named by a client. */
export interface NamedDomain { id?: string; name?: string }
export type ScopeRequest =
  | { kind: 'project'; id?: string; name?: string; domain?: NamedDomain }
  | { kind: 'domain'; id?: string; name?: string }
  | { kind: 'system' };

export interface GrantedScope {
  project?: { id: string; name: string; domain: { id: string; name: string } };
  domain?: { id: string; name: string };
  system?: true;
  enabled: boolean;
  /** Effective: through groups, inheritance and implied roles. */
  roles: { id: string; name: string }[];
}

interface ScopeRow {
  id: string; name: string; enabled: Flag; domain_id: string | null; domain_name: string | null; domain_enabled: Flag | null;
  role_id: string | null; role_name: string | null;
}

const domainMatches = (domain: NamedDomain): RawBuilder<unknown> => (domain.id !== undefined ? sql`d.id = ${domain.id}` : sql`d.name = ${domain.name ?? ''}`);

/** The row that the client means: `id, name, enabled, parent_id, domain_id, domain_name, domain_enabled`. */
function scopeSelect(scope: ScopeRequest): RawBuilder<unknown> {
  if (scope.kind === 'system') return sql`select 'all' as id, 'all' as name, 1 as enabled, null as parent_id, null as domain_id, null as domain_name, null as domain_enabled`;
  if (scope.kind === 'domain') {
    return sql`select d.id, d.name, d.enabled, null as parent_id, d.id as domain_id, d.name as domain_name, d.enabled as domain_enabled from domains d where ${domainMatches(scope)}`;
  }
  const project = scope.id !== undefined ? sql`p.id = ${scope.id}` : sql`p.name = ${scope.name ?? ''} and ${domainMatches(scope.domain ?? {})}`;
  return sql`select p.id, p.name, p.enabled, p.parent_id, d.id as domain_id, d.name as domain_name, d.enabled as domain_enabled
    from projects p join domains d on d.id = p.domain_id where ${project}`;
}

/** Assignments of the user and of the user's groups, as a CTE `held(target_type, target_id, role_id, inherited)`. */
export const heldBy = (userId: string): RawBuilder<unknown> => sql`held as (
    select a.target_type, a.target_id, a.role_id, a.inherited from role_assignments a where a.actor_type = 'user' and a.actor_id = ${userId}
    union all
    select a.target_type, a.target_id, a.role_id, a.inherited from group_members m
      join role_assignments a on a.actor_type = 'group' and a.actor_id = m.group_id where m.user_id = ${userId})`;

/**
 * The scope with the user's effective roles in it, in one statement; undefined when there is no such scope.
 * Inherited assignments hold on projects below their target only. Roles of a domain are no token roles: they only imply.
 */
export async function findGrants(db: Exec, userId: string, scope: ScopeRequest): Promise<GrantedScope | undefined> {
  const inherits = scope.kind === 'project'
    ? sql`or (h.inherited = 1 and ((h.target_type = 'domain' and h.target_id = s.domain_id) or (h.target_type = 'project' and h.target_id in (select id from ancestors))))`
    : sql``;
  const { rows } = await sql<ScopeRow>`
    with recursive scope as (${scopeSelect(scope)}),
    ancestors (id, parent_id) as (
      select p.id, p.parent_id from projects p join scope s on p.id = s.parent_id
      union select p.id, p.parent_id from projects p join ancestors a on p.id = a.parent_id),
    ${heldBy(userId)},
    granted (role_id) as (
      select h.role_id from held h join scope s on (h.inherited = 0 and h.target_type = ${scope.kind} and h.target_id = s.id) ${inherits}
      union select i.implied_role_id from implied_roles i join granted g on i.prior_role_id = g.role_id)
    select s.id, s.name, s.enabled, s.domain_id, s.domain_name, s.domain_enabled, r.id as role_id, r.name as role_name
    from scope s left join (granted g join roles r on r.id = g.role_id and r.domain_id = '') on true
    order by r.name`.execute(db);
  const first = rows[0];
  if (!first) return undefined;
  const roles = rows.flatMap(({ role_id, role_name }) => (role_id === null ? [] : [{ id: role_id, name: role_name! }]));
  const enabled = Boolean(first.enabled) && (first.domain_enabled === null || Boolean(first.domain_enabled));
  const domain = { id: first.domain_id!, name: first.domain_name! };
  if (scope.kind === 'system') return { system: true, enabled, roles };
  if (scope.kind === 'domain') return { domain, enabled, roles };
  return { project: { id: first.id, name: first.name, domain }, enabled, roles };
}
