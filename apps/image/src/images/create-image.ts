import { badRequest, CloudError, forbidden, newUuid, type RequestContext } from '@virga/core';
import { checkInput, FAULT_STYLES, type PolicyEnforcer } from '@virga/rest';
import type { Static } from '@sinclair/typebox';
import { CreateImage, MAX_PROPERTIES, PropertyName, READ_ONLY, RESERVED, WRITABLE } from './image.schema';
import type { ImageRepository, ImageRow } from './image.repository';
import type { Visibility } from '../db/tables';

/** Who may give an image a visibility, beyond owning it. */
export function enforceVisibility(policy: PolicyEnforcer, context: RequestContext, visibility: Visibility, owner: string | null): void {
  const rule = visibility === 'public' ? 'publicize_image' : visibility === 'community' ? 'communitize_image' : undefined;
  if (rule && !policy.allows(context, rule, { projectId: owner })) throw forbidden(`You are not authorized to complete ${rule} action.`);
}

/** Refuses names that are ours, and too many; the rest are the image's properties. */
export function checkPropertyNames(names: string[]): void {
  for (const name of names) {
    if (READ_ONLY.has(name)) throw forbidden(`Attribute '${name}' is read-only.`);
    if (RESERVED.has(name)) throw forbidden(`Attribute '${name}' is reserved.`);
    checkInput(PropertyName, name, FAULT_STYLES.image);
  }
  if (names.length > MAX_PROPERTIES) throw new CloudError('tooLarge', `The limit has been exceeded on the number of allowed image properties. Attempted: ${names.length}, Maximum: ${MAX_PROPERTIES}`);
}

/** Registers an image without data (status queued). */
export async function createImage(images: ImageRepository, policy: PolicyEnforcer, context: RequestContext, body: Static<typeof CreateImage>): Promise<ImageRow> {
  const { id = newUuid(), ...given } = body as Record<string, unknown> & { id?: string };
  const properties = Object.fromEntries(Object.entries(given).filter(([key]) => !Object.hasOwn(WRITABLE, key))) as Record<string, string>;
  checkPropertyNames(Object.keys(properties));
  const base = given as { [K in keyof typeof WRITABLE]?: Static<(typeof WRITABLE)[K]> };
  const owner = base.owner === undefined ? context.project?.id ?? null : base.owner;
  if (owner !== (context.project?.id ?? null) && !context.roleNames.has('admin')) throw forbidden(`You are not permitted to create images owned by '${owner}'.`);
  const visibility = base.visibility ?? 'shared';
  enforceVisibility(policy, context, visibility, owner);
  if (owner === null && visibility !== 'public') throw badRequest('An image needs an owner.');
  const now = new Date();
  await images.insert({
    id: id.toLowerCase(), name: base.name ?? null, owner, status: 'queued', visibility,
    disk_format: base.disk_format ?? null, container_format: base.container_format ?? null,
    size: null, virtual_size: null, checksum: null, os_hash_value: null,
    min_disk: base.min_disk ?? 0, min_ram: base.min_ram ?? 0, protected: base.protected ? 1 : 0, os_hidden: base.os_hidden ? 1 : 0,
    properties: JSON.stringify(properties), tags: JSON.stringify([...new Set(base.tags ?? [])]),
    upload_token: null, upload_lease: null, created_at: now, updated_at: now,
  });
  return (await images.find(id.toLowerCase()))!;
}
