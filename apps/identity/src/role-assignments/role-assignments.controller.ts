import { Controller, Get, Inject, Req } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import type { RawBuilder } from 'kysely';
import { badRequest, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import { Authenticated, Caller, PolicyEnforcer, ValidQuery } from '@virga/rest';
import { envelope, isSet, single, type Query } from '../collection/list';
import { AnyQuery } from '../collection/schema-parts';
import type { Db, RoleAssignmentRow } from '../db/tables';
import { DATABASE, ENFORCER } from '../injection';
import { subtreeOf } from '../projects/project-tree';
import { assignmentView, namesFor } from './assignment-view';
import { expandAssignments, type Assignment } from './expand-assignments';

interface Filters {
  user: string | undefined; group: string | undefined; role: string | undefined;
  projects: string[] | undefined; domain: string | undefined; system: boolean; inherited: boolean;
}

@Controller('v3/role_assignments')
export class RoleAssignmentsController {
  constructor(@Inject(DATABASE) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  /** Everyone may list their own; the rule depends on whose are asked for, so it is enforced inside. */
  @Get() @Authenticated()
  async list(@ValidQuery(AnyQuery) query: Query, @Caller() caller: RequestContext, @Req() request: FastifyRequest) {
    const effective = isSet(query, 'effective');
    const tree = isSet(query, 'include_subtree');
    const rule = tree ? 'identity:list_role_assignments_for_tree' : 'identity:list_role_assignments';
    this.policy.enforce(caller, rule, { userId: single(query['user.id']), domainId: caller.domain?.id });
    const filters = await this.filters(query, effective, tree);
    const ownDomain = this.policy.allows(caller, rule, { userId: single(query['user.id']) }) ? undefined : caller.domain!.id;
    const found = effective ? await this.effective(filters) : await this.select(conditions(filters));
    const visible = ownDomain === undefined ? found : await this.within(found, ownDomain);
    const names = isSet(query, 'include_names') ? await namesFor(this.db, visible) : undefined;
    return envelope(request, 'role_assignments', visible.map((assignment) => assignmentView(assignment, request, names)));
  }

  private async filters(query: Query, effective: boolean, tree: boolean): Promise<Filters> {
    const [project, domain] = [single(query['scope.project.id']), single(query['scope.domain.id'])];
    const filters: Filters = {
      user: single(query['user.id']), group: single(query['group.id']), role: single(query['role.id']),
      projects: project === undefined ? undefined : [project], domain,
      system: query['scope.system'] !== undefined, inherited: query['scope.OS-INHERIT:inherited_to'] !== undefined,
    };
    if (filters.user !== undefined && filters.group !== undefined) throw badRequest('Specify a user or group, not both');
    if ([project, domain, filters.system ? 'all' : undefined].filter((scope) => scope !== undefined).length > 1) throw badRequest('Specify system, domain, or project scope, but not more than one of them');
    if (effective && filters.group !== undefined) throw badRequest('Combining effective and group filter will always result in an empty list.');
    if (effective && filters.inherited && domain !== undefined) throw badRequest('Combining effective, domain and inherited filters will always result in an empty list.');
    if (tree && project === undefined) throw badRequest('scope.project.id must be specified if include_subtree is also specified');
    if (tree) filters.projects = [project!, ...(await subtreeOf(this.db, project!)).map(({ id }) => id)];
    return filters;
  }

  private async select(where: RawBuilder<unknown>[]): Promise<RoleAssignmentRow[]> {
    const { rows } = await sql<RoleAssignmentRow>`select a.* from role_assignments a
      ${where.length > 0 ? sql`where ${sql.join(where, sql` and `)}` : sql``}
      order by a.target_type, a.target_id, a.actor_id, a.role_id`.execute(this.db);
    return rows;
  }

  /** Only what concerns the user is read; the other filters apply to what comes out. */
  private async effective(filters: Filters): Promise<Assignment[]> {
    const rows = await this.select(filters.user === undefined ? [] : [sql`((a.actor_type = 'user' and a.actor_id = ${filters.user})
      or (a.actor_type = 'group' and a.actor_id in (select m.group_id from group_members m where m.user_id = ${filters.user})))`]);
    const inherited = rows.some((row) => row.inherited);
    const [members, implied, projects, domainRoles] = await Promise.all([
      this.db.selectFrom('group_members').selectAll().$if(filters.user !== undefined, (query) => query.where('user_id', '=', filters.user!)).execute(),
      this.db.selectFrom('implied_roles').selectAll().execute(),
      inherited ? this.db.selectFrom('projects').select(['id', 'parent_id', 'domain_id']).execute() : [],
      this.db.selectFrom('roles').select('id').where('domain_id', '!=', '').execute(),
    ]);
    return expandAssignments(rows, { members, implied, projects, domainRoles: new Set(domainRoles.map(({ id }) => id)) }).filter((assignment) => passes(assignment, filters));
  }

  private async within(assignments: Assignment[], domainId: string): Promise<Assignment[]> {
    const rows = await this.db.selectFrom('projects').select('id').where('domain_id', '=', domainId).execute();
    const projects = new Set(rows.map(({ id }) => id));
    return assignments.filter(({ target_type, target_id }) => (target_type === 'project' ? projects.has(target_id) : target_type === 'domain' && target_id === domainId));
  }
}

function conditions({ user, group, role, projects, domain, system, inherited }: Filters): RawBuilder<unknown>[] {
  const found: RawBuilder<unknown>[] = [];
  if (user !== undefined) found.push(sql`a.actor_type = 'user' and a.actor_id = ${user}`);
  if (group !== undefined) found.push(sql`a.actor_type = 'group' and a.actor_id = ${group}`);
  if (role !== undefined) found.push(sql`a.role_id = ${role}`);
  if (projects !== undefined) found.push(sql`a.target_type = 'project' and a.target_id in (${sql.join(projects)})`);
  if (domain !== undefined) found.push(sql`a.target_type = 'domain' and a.target_id = ${domain}`);
  if (system) found.push(sql`a.target_type = 'system'`);
  if (inherited) found.push(sql`a.inherited = 1`);
  return found;
}

const passes = (assignment: Assignment, { user, role, projects, domain, system, inherited }: Filters): boolean =>
  (user === undefined || assignment.actor_id === user)
  && (role === undefined || assignment.role_id === role)
  && (projects === undefined || (assignment.target_type === 'project' && projects.includes(assignment.target_id)))
  && (domain === undefined || (assignment.target_type === 'domain' && assignment.target_id === domain))
  && (!system || assignment.target_type === 'system')
  && (!inherited || Boolean(assignment.inherited));
