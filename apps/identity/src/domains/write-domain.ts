import { forbidden, newHexId } from '@virga/core';
import { defined, extraOf, findRow, isImmutable, lockRow, mergedExtra, mergedOptions } from '../collection/rows';
import type { DomainRow, Exec, Trx } from '../db/tables';
import type { Revoke } from '../revocations/revoker';
import { deleteDomain } from './delete-domain';
import { DOMAIN_ATTRIBUTES, type DomainCreate, type DomainUpdate } from './domain';

export const domainTaken = (name: string) =>
  `Conflict occurred attempting to store project - it is not permitted to have two projects acting as domains with the same name: ${name}.`;

export async function insertDomain(db: Exec, domain: DomainCreate['domain']): Promise<DomainRow> {
  const row: DomainRow = {
    id: domain.explicit_domain_id ?? newHexId(), name: domain.name, description: domain.description ?? '', enabled: domain.enabled ?? true,
    tags: JSON.stringify(domain.tags ?? []), options: mergedOptions('{}', domain.options),
    extra: JSON.stringify(extraOf(domain, [...DOMAIN_ATTRIBUTES, 'explicit_domain_id'])),
  };
  await db.insertInto('domains').values(row).execute();
  return row;
}

/** Applies a change; disabling voids the tokens of its users and for its projects. */
export async function updateDomain(trx: Trx, revoke: Revoke, id: string, domain: DomainUpdate['domain']): Promise<void> {
  const row = await findRow<DomainRow>(trx, 'domains', 'domain', id);
  if (isImmutable(row.options) && domain.options?.immutable !== false) {
    throw forbidden(`Unable to update immutable domain resource: \`${id}. Set resource option "immutable" to false first.`);
  }
  await trx.updateTable('domains').where('id', '=', id).set({
    ...defined({ name: domain.name, enabled: domain.enabled, ...(domain.description !== undefined && { description: domain.description ?? '' }) }),
    ...(domain.tags && { tags: JSON.stringify(domain.tags) }),
    options: mergedOptions(row.options, domain.options),
    extra: mergedExtra(row.extra, domain, DOMAIN_ATTRIBUTES),
  }).execute();
  if (domain.enabled === false) revoke({ domainId: id });
}

/** Removes a disabled domain with all that is in it. */
export async function removeDomain(trx: Trx, revoke: Revoke, id: string): Promise<void> {
  const row = await lockRow<DomainRow>(trx, 'domains', 'domain', id);
  if (isImmutable(row.options)) throw forbidden(`Unable to delete immutable domain resource: \`${id}. Set resource option "immutable" to false first.`);
  if (row.enabled) throw forbidden('Cannot delete a domain that is enabled, please disable it first.');
  await deleteDomain(trx, id);
  revoke({ domainId: id });
}
