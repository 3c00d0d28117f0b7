import { Type, type Static } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import type { RawBuilder } from 'kysely';
import { sql } from '@virga/db';
import { selfLink, single, type ListSpec, type Query } from '../collection/list';
import { parseObject } from '../collection/rows';
import { Description, Enabled, ImmutableOption, Name64, NullableId, Tags } from '../collection/schema-parts';
import type { Exec, ProjectRow } from '../db/tables';

const attributes = {
  description: Type.Optional(Description),
  enabled: Type.Optional(Enabled),
  is_domain: Type.Optional(Type.Boolean()),
  parent_id: Type.Optional(NullableId),
  domain_id: Type.Optional(NullableId),
  tags: Type.Optional(Tags),
  options: Type.Optional(ImmutableOption),
};
export const PROJECT_ATTRIBUTES = ['name', ...Object.keys(attributes)];

export const ProjectCreate = Type.Object({ project: Type.Object({ name: Name64, ...attributes }) });
export type ProjectCreate = Static<typeof ProjectCreate>;
export const ProjectUpdate = Type.Object({ project: Type.Object({ name: Type.Optional(Name64), ...attributes }) });
export type ProjectUpdate = Static<typeof ProjectUpdate>;
export const TagsBody = Type.Object({ tags: Tags });
export type TagsBody = Static<typeof TagsBody>;

export const projectList: ListSpec = {
  table: 'projects', columns: ['id', 'domain_id', 'parent_id', 'name', 'description', 'enabled', 'options', 'extra'],
  exact: { id: 'id', name: 'name', domain_id: 'domain_id' }, flags: ['enabled'], texts: ['name', 'description'],
};

/** Filters of projects that are no plain columns: parent, `is_domain` and tags. */
export function projectConditions(query: Query): RawBuilder<unknown>[] {
  const found: RawBuilder<unknown>[] = [];
  const parent = single(query['parent_id']);
  // A project without a parent project hangs under its domain.
  if (parent !== undefined) found.push(sql`(projects.parent_id = ${parent} or (projects.parent_id is null and projects.domain_id = ${parent}))`);
  const tagged = (tags: string[]) => sql`(select count(*) from project_tags t where t.project_id = projects.id and t.tag in (${sql.join(tags)}))`;
  const tags = (name: string): string[] => [...new Set((single(query[name]) ?? '').split(',').filter((tag) => tag !== ''))];
  const [all, any, notAll, notAny] = [tags('tags'), tags('tags-any'), tags('not-tags'), tags('not-tags-any')];
  if (all.length > 0) found.push(sql`${tagged(all)} = ${all.length}`);
  if (any.length > 0) found.push(sql`${tagged(any)} > 0`);
  if (notAll.length > 0) found.push(sql`${tagged(notAll)} < ${notAll.length}`);
  if (notAny.length > 0) found.push(sql`${tagged(notAny)} = 0`);
  return found;
}

/** Tags of many projects in one statement. */
export async function tagsOf(db: Exec, ids: string[]): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  if (ids.length === 0) return found;
  const rows = await db.selectFrom('project_tags').selectAll().where('project_id', 'in', ids).orderBy('tag').execute();
  for (const { project_id, tag } of rows) found.set(project_id, [...(found.get(project_id) ?? []), tag]);
  return found;
}

export const projectView = (row: ProjectRow, tags: string[] | undefined, request: FastifyRequest) => ({
  ...parseObject(row.extra),
  id: row.id,
  name: row.name,
  domain_id: row.domain_id,
  description: row.description ?? '',
  enabled: Boolean(row.enabled),
  parent_id: row.parent_id ?? row.domain_id,
  is_domain: false,
  tags: tags ?? [],
  options: parseObject(row.options),
  links: selfLink(request, `projects/${row.id}`),
});

export async function projectViews(db: Exec, rows: ProjectRow[], request: FastifyRequest) {
  const tags = await tagsOf(db, rows.map(({ id }) => id));
  return rows.map((row) => projectView(row, tags.get(row.id), request));
}
