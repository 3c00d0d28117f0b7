import { Type, type TProperties } from '@sinclair/typebox';
import type { ImageFacts } from '@virga/contracts';
import { actorOf, CloudError, newUuid } from '@virga/core';
import { SERVER_ACTIONS } from '@virga/domain';
import { baseUrl } from '@virga/rest';
import type { InstanceRow } from '../../operations/workflow';
import { readLimits } from '../../quotas/quota-limits';
import type { SnapshotArgs } from '../../workflows/snapshot-instance';
import { MetadataItems, ServerName } from '../create-server.schema';
import type { ServerFlavor } from '../server-row';
import { getInstance } from '../server.repository';
import type { ActionContext, ActionHandler } from './action';
import { checkAction, startAction } from './start-action';

const body = (more: TProperties) => Type.Object({ name: ServerName, metadata: Type.Optional(MetadataItems), ...more }, { additionalProperties: false });
const CreateImage = body({});
const CreateBackup = body({
  backup_type: Type.String({ maxLength: 255 }),
  rotation: Type.Union([Type.Integer({ minimum: 0 }), Type.String({ pattern: '^[0-9]+$', maxLength: 9 })]),
});
interface Wanted { name: string; metadata?: Record<string, string>; backup?: { type: string; keep: number } }

const GIB = 1024 ** 3;
/** Properties of an image that are true of itself alone, and not of what was made from it. */
const NOT_INHERITED = /^(cache_in_nova|bittorrent|img_signature.*|img_block_device_mapping|block_device_mapping|mappings|bdm_v2|root_device_name|os_hash_.*|owner_.*|boot_roles|base_image_ref|image_type|instance_uuid|user_id|backup_type|image_location|image_state)$/;

/** What the image says of itself, as nova words it. */
function propertiesOf({ caller }: ActionContext, row: InstanceRow, { metadata, backup }: Wanted): Record<string, string> {
  const inherited = Object.entries((JSON.parse(row.image_json) as ImageFacts).properties).filter(([name]) => !NOT_INHERITED.test(name));
  const own = {
    base_image_ref: row.image_id, image_type: backup ? 'backup' : 'snapshot', ...(backup && { backup_type: backup.type }),
    instance_uuid: row.id, user_id: caller.user.id, owner_id: row.project_id, image_location: 'snapshot', image_state: 'available',
    owner_user_name: caller.user.name, owner_project_name: caller.project?.name ?? '', boot_roles: [...caller.roleNames].sort().join(','),
  };
  // What the user says wins, as in nova; but the oldest backups are found by what a backup says of itself.
  return backup ? { ...Object.fromEntries(inherited), ...metadata, ...own } : { ...Object.fromEntries(inherited), ...own, ...metadata };
}

/** Registers the image first, for the answer names it; an action that cannot start takes it away again. */
async function snapshot(context: ActionContext, name: 'createImage' | 'createBackup', wanted: Wanted): Promise<unknown> {
  const { db, caller, neighbours, serverId, request, reply, at } = context;
  const row = await getInstance(db, caller, serverId);
  checkAction(context, name, row);
  const { metadata_items: limit } = await readLimits(db, row.project_id, row.user_id);
  if (limit >= 0 && Object.keys(wanted.metadata ?? {}).length > limit) throw new CloudError('overQuota', 'Image metadata limit exceeded', { status: 403 });
  const image = JSON.parse(row.image_json) as ImageFacts;
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  const imageId = newUuid();
  await neighbours.image.createForSnapshot({
    actor: actorOf(caller), imageId, ownerId: caller.project?.id ?? row.project_id, name: wanted.name, diskFormat: 'qcow2', containerFormat: 'bare',
    minDisk: Math.max(image.minDisk, flavor.disk || Math.ceil((image.virtualSizeBytes ?? image.sizeBytes) / GIB)), minRam: image.minRam, properties: propertiesOf(context, row, wanted),
  });
  const args: SnapshotArgs = { imageId, ...(wanted.backup && { backup: wanted.backup }) };
  await startAction(context, name, () => ({ kind: 'snapshot-instance', args: { ...args } })).catch(async (error: unknown) => {
    await neighbours.image.discardSnapshot({ imageId });
    throw error;
  });
  if (at >= 45) return { image_id: imageId };
  void reply.header('Location', `${baseUrl(request)}/images/${imageId}`);
  return undefined;
}

/** Images of servers' disks: on demand, or as backups of which the oldest go. */
export const imageActions: Record<string, ActionHandler> = {
  createImage: {
    rule: SERVER_ACTIONS.createImage.rule, schema: [['2.1', CreateImage]],
    run: (context, { name, metadata }: Pick<Wanted, 'name' | 'metadata'>) => snapshot(context, 'createImage', { name, ...(metadata && { metadata }) }),
  },
  createBackup: {
    rule: SERVER_ACTIONS.createBackup.rule, schema: [['2.1', CreateBackup]],
    run: (context, { name, metadata, backup_type: type, rotation }: Pick<Wanted, 'name' | 'metadata'> & { backup_type: string; rotation: number | string }) =>
      snapshot(context, 'createBackup', { name, ...(metadata && { metadata }), backup: { type, keep: Number(rotation) } }),
  },
};
