import { badRequest, forbidden, newHexId } from '@virga/core';
import { defined, extraOf, findRow, holdRow, isImmutable, lockRow, mergedExtra, mergedOptions } from '../collection/rows';
import type { ProjectRow, Trx } from '../db/tables';
import type { Revoke } from '../revocations/revoker';
import { PROJECT_ATTRIBUTES, type ProjectCreate, type ProjectUpdate } from './project';
import { MAX_DEPTH, parentsOf, subtreeOf } from './project-tree';

export const projectTaken = (name: string, id: string) =>
  `Conflict occurred attempting to store project - it is not permitted to have two projects with either the same name or same id in the same domain: name is ${name}, project id ${id}.`;

/** The new project's row; 400 or 404 for a parent that does not fit. */
export async function insertProject(trx: Trx, project: ProjectCreate['project'], domainId: string, id = newHexId()): Promise<ProjectRow> {
  await holdRow(trx, 'domains', 'domain', domainId);
  const parentId = project.parent_id === domainId ? null : project.parent_id ?? null;
  if (parentId !== null) await checkParent(trx, parentId, domainId);
  const row: ProjectRow = {
    id, domain_id: domainId, parent_id: parentId, name: project.name, description: project.description ?? '', enabled: project.enabled ?? true,
    options: mergedOptions('{}', project.options), extra: JSON.stringify(extraOf(project, PROJECT_ATTRIBUTES)),
  };
  await trx.insertInto('projects').values(row).execute();
  await replaceTags(trx, id, project.tags ?? []);
  return row;
}

async function checkParent(trx: Trx, parentId: string, domainId: string): Promise<void> {
  await holdRow(trx, 'projects', 'project', parentId);
  const parent = await findRow<ProjectRow>(trx, 'projects', 'project', parentId);
  if (parent.domain_id !== domainId) throw badRequest(`Cannot create project, since it specifies its domain_id ${domainId}, but specifies a parent in a different domain (${parent.domain_id}).`);
  if (!parent.enabled) throw badRequest(`Cannot create project in a branch containing a disabled project: ${parentId}.`);
  if ((await parentsOf(trx, parentId)).length + 2 > MAX_DEPTH) throw forbidden(`Max hierarchy depth reached for ${parentId} branch.`);
}

/** Applies a change; disabling voids the tokens of the project. */
export async function updateProject(trx: Trx, revoke: Revoke, id: string, project: ProjectUpdate['project']): Promise<void> {
  const row = await findRow<ProjectRow>(trx, 'projects', 'project', id);
  if (isImmutable(row.options) && project.options?.immutable !== false) {
    throw forbidden(`Unable to update immutable project resource: \`${id}. Set resource option "immutable" to false first.`);
  }
  if (project.domain_id !== undefined && project.domain_id !== row.domain_id) throw badRequest('Cannot change Domain ID');
  if (project.parent_id !== undefined && project.parent_id !== (row.parent_id ?? row.domain_id)) throw forbidden('Update of `parent_id` is not allowed.');
  if (project.is_domain) throw badRequest('Update of `is_domain` is not allowed.');
  if (project.enabled === false) {
    if ((await subtreeOf(trx, id)).some(({ enabled }) => enabled)) throw forbidden(`Cannot disable project ${id} since its subtree contains enabled projects.`);
    revoke({ projectId: id });
  }
  if (project.enabled === true && (await parentsOf(trx, id)).some(({ enabled }) => !enabled)) throw forbidden(`Cannot enable project ${id} since it has disabled parents`);
  await trx.updateTable('projects').where('id', '=', id).set({
    ...defined({ name: project.name, enabled: project.enabled }),
    ...(project.description !== undefined && { description: project.description ?? '' }),
    options: mergedOptions(row.options, project.options),
    extra: mergedExtra(row.extra, project, PROJECT_ATTRIBUTES),
  }).execute();
  if (project.tags) await replaceTags(trx, id, project.tags);
}

/** Removes a project without projects below it, with its assignments and credentials. */
export async function deleteProject(trx: Trx, revoke: Revoke, id: string): Promise<void> {
  const row = await lockRow<ProjectRow>(trx, 'projects', 'project', id);
  if (isImmutable(row.options)) throw forbidden(`Unable to delete immutable project resource: \`${id}. Set resource option "immutable" to false first.`);
  const child = await trx.selectFrom('projects').select('id').where('parent_id', '=', id).limit(1).executeTakeFirst();
  if (child) throw forbidden(`Cannot delete the project ${id} since it is not a leaf in the hierarchy. Use the cascade option if you want to delete a whole subtree.`);
  await trx.deleteFrom('role_assignments').where('target_type', '=', 'project').where('target_id', '=', id).execute();
  await trx.updateTable('users').set({ default_project_id: null }).where('default_project_id', '=', id).execute();
  await trx.deleteFrom('projects').where('id', '=', id).execute();
  revoke({ projectId: id });
}

export async function replaceTags(trx: Trx, projectId: string, tags: string[]): Promise<void> {
  await trx.deleteFrom('project_tags').where('project_id', '=', projectId).execute();
  if (tags.length > 0) await trx.insertInto('project_tags').values(tags.map((tag) => ({ project_id: projectId, tag }))).execute();
}
