import type { FastifyRequest } from 'fastify';
import { baseUrl } from '@virga/rest';
import type { Exec } from '../db/tables';
import type { Assignment } from './expand-assignments';

interface Named { id: string; name: string; domain?: { id: string; name: string } }
/** Names by `user:<id>`, `group:<id>`, `project:<id>`, `domain:<id>`, `role:<id>`. */
export type Names = Map<string, Named>;

/** Names of all that the assignments mention: one statement a kind. */
export async function namesFor(db: Exec, assignments: Assignment[]): Promise<Names> {
  const ids = (kind: string, of: (assignment: Assignment) => string | undefined): string[] => {
    const found = new Set(assignments.map(of).filter((id) => id !== undefined));
    return kind === '' || found.size === 0 ? [''] : [...found];
  };
  const [users, groups, projects, domains, roles] = await Promise.all([
    db.selectFrom('users').select(['id', 'name', 'domain_id']).where('id', 'in', ids('user', (a) => (a.actor_type === 'user' ? a.actor_id : undefined))).execute(),
    db.selectFrom('groups').select(['id', 'name', 'domain_id']).where('id', 'in', ids('group', (a) => (a.actor_type === 'group' ? a.actor_id : undefined))).execute(),
    db.selectFrom('projects').select(['id', 'name', 'domain_id']).where('id', 'in', ids('project', (a) => (a.target_type === 'project' ? a.target_id : undefined))).execute(),
    db.selectFrom('domains').select(['id', 'name']).execute(),
    db.selectFrom('roles').select(['id', 'name', 'domain_id']).execute(),
  ]);
  const domainOf = new Map(domains.map((domain) => [domain.id, { id: domain.id, name: domain.name }]));
  const names: Names = new Map();
  for (const [kind, rows] of Object.entries({ user: users, group: groups, project: projects, role: roles })) {
    for (const { id, name, domain_id } of rows) names.set(`${kind}:${id}`, { id, name, ...(domainOf.has(domain_id) && { domain: domainOf.get(domain_id)! }) });
  }
  for (const domain of domainOf.values()) names.set(`domain:${domain.id}`, domain);
  return names;
}

export function assignmentView(assignment: Assignment, request: FastifyRequest, names?: Names): unknown {
  const named = (kind: string, id: string): Named | { id: string } => names?.get(`${kind}:${id}`) ?? { id };
  const base = `${baseUrl(request)}/v3`;
  const { target_type, target_id, actor_type, actor_id, role_id, viaGroup, priorRole, inheritedFrom } = assignment;
  const inherited = Boolean(assignment.inherited);
  const place = inheritedFrom ? `${inheritedFrom.targetType}s/${inheritedFrom.targetId}` : target_type === 'system' ? 'system' : `${target_type}s/${target_id}`;
  const actor = viaGroup === undefined ? `${actor_type}s/${actor_id}` : `groups/${viaGroup}`;
  const path = `${place}/${actor}/roles/${priorRole ?? role_id}`;
  return {
    links: {
      assignment: inherited ? `${base}/OS-INHERIT/${path}/inherited_to_projects` : `${base}/${path}`,
      ...(viaGroup !== undefined && { membership: `${base}/groups/${viaGroup}/users/${actor_id}` }),
      ...(priorRole !== undefined && { prior_role: `${base}/prior_role/${priorRole}/implies/${role_id}` }),
    },
    scope: {
      ...(target_type === 'system' ? { system: { all: true } } : { [target_type]: named(target_type, target_id) }),
      ...(inherited && { 'OS-INHERIT:inherited_to': 'projects' }),
    },
    [actor_type]: named(actor_type, actor_id),
    role: named('role', role_id),
  };
}
