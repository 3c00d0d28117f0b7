import type { RoleAssignmentRow } from '../db/tables';

/** An assignment, and for an effective one where it comes from. */
export interface Assignment extends RoleAssignmentRow {
  /** The group by which a user holds it. */
  viaGroup?: string;
  /** The role that implies it. */
  priorRole?: string;
  /** The domain or project above from which it is inherited. */
  inheritedFrom?: { targetType: 'project' | 'domain'; targetId: string };
}

export interface Surroundings {
  members: { group_id: string; user_id: string }[];
  implied: { prior_role_id: string; implied_role_id: string }[];
  projects: { id: string; parent_id: string | null; domain_id: string }[];
  /** Ids of roles that belong to a domain: they only imply. */
  domainRoles: ReadonlySet<string>;
}

function groupBy<T>(items: T[], key: (item: T) => string | null): Map<string, T[]> {
  const found = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    if (name !== null) found.set(name, [...(found.get(name) ?? []), item]);
  }
  return found;
}

/** What assignments come to: groups become their users, inherited ones hold on each project below, roles bring what they imply. */
export function expandAssignments(rows: RoleAssignmentRow[], { members, implied, projects, domainRoles }: Surroundings): Assignment[] {
  const usersOf = groupBy(members, ({ group_id }) => group_id);
  const impliedBy = groupBy(implied, ({ prior_role_id }) => prior_role_id);
  const inDomain = groupBy(projects, ({ domain_id }) => domain_id);
  const children = groupBy(projects, ({ parent_id }) => parent_id);
  const below = (id: string): string[] => (children.get(id) ?? []).flatMap((child) => [child.id, ...below(child.id)]);

  const onUsers = (row: Assignment): Assignment[] => (row.actor_type === 'user' ? [row]
    : (usersOf.get(row.actor_id) ?? []).map(({ user_id }) => ({ ...row, actor_type: 'user' as const, actor_id: user_id, viaGroup: row.actor_id })));
  const onProjects = (row: Assignment): Assignment[] => {
    if (!row.inherited) return [row];
    const targetType = row.target_type as 'project' | 'domain';
    const ids = targetType === 'domain' ? (inDomain.get(row.target_id) ?? []).map(({ id }) => id) : below(row.target_id);
    return ids.map((id) => ({ ...row, target_type: 'project' as const, target_id: id, inheritedFrom: { targetType, targetId: row.target_id } }));
  };
  const withImplied = (row: Assignment): Assignment[] => {
    const seen = new Map<string, Assignment>([[row.role_id, row]]);
    for (const [roleId] of seen) {
      for (const { implied_role_id } of impliedBy.get(roleId) ?? []) {
        if (!seen.has(implied_role_id)) seen.set(implied_role_id, { ...row, role_id: implied_role_id, priorRole: roleId });
      }
    }
    return [...seen.values()].filter(({ role_id }) => !domainRoles.has(role_id));
  };

  const distinct = new Map<string, Assignment>();
  for (const assignment of rows.flatMap(onUsers).flatMap(onProjects).flatMap(withImplied)) {
    const key = [assignment.actor_id, assignment.target_type, assignment.target_id, assignment.role_id].join(' ');
    if (!distinct.has(key)) distinct.set(key, assignment);
  }
  return [...distinct.values()];
}
