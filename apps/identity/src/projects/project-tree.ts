import { sql } from '@virga/db';
import type { Exec, ProjectRow } from '../db/tables';

/** Longest way from a project to the top; keystone's limit too. */
export const MAX_DEPTH = 5;

/** The projects above, nearest first. */
export async function parentsOf(db: Exec, id: string): Promise<ProjectRow[]> {
  const { rows } = await sql<ProjectRow & { depth: number }>`
    with recursive up (id, parent_id, depth) as (
      select p.id, p.parent_id, 0 from projects p where p.id = ${id}
      union all select p.id, p.parent_id, up.depth + 1 from projects p join up on p.id = up.parent_id)
    select p.*, up.depth from up join projects p on p.id = up.id where up.depth > 0 order by up.depth`.execute(db);
  return rows;
}

/** All projects below, nearest first. */
export async function subtreeOf(db: Exec, id: string): Promise<ProjectRow[]> {
  const { rows } = await sql<ProjectRow & { depth: number }>`
    with recursive down (id, depth) as (
      select p.id, 0 from projects p where p.id = ${id}
      union all select p.id, down.depth + 1 from projects p join down on p.parent_id = down.id)
    select p.*, down.depth from down join projects p on p.id = down.id where down.depth > 0 order by down.depth, p.id`.execute(db);
  return rows;
}

export type IdTree = { [id: string]: IdTree | null };

/** `{child: {grandchild: null}}`; null where nothing is below. */
export function subtreeIds(id: string, below: Pick<ProjectRow, 'id' | 'parent_id'>[]): IdTree | null {
  const children = below.filter(({ parent_id }) => parent_id === id);
  return children.length === 0 ? null : Object.fromEntries(children.map((child) => [child.id, subtreeIds(child.id, below)]));
}

/** `{parent: {grandparent: null}}` from parents, nearest first. */
export function parentIds(parents: Pick<ProjectRow, 'id'>[]): IdTree | null {
  const [nearest, ...rest] = parents;
  return nearest ? { [nearest.id]: parentIds(rest) } : null;
}
