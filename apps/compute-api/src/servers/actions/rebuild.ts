import { actorOf, CloudError } from '@virga/core';
import { SERVER_ACTIONS } from '@virga/domain';
import { baseUrl } from '@virga/rest';
import { readBoolean } from '../../booleans';
import { readLimits } from '../../quotas/quota-limits';
import type { InstanceRow } from '../../operations/workflow';
import type { RebuildArgs } from '../../workflows/rebuild-instance';
import { findKeypair, newPassword } from '../create-server';
import { checkImageFits, kernelAndRamdisk, requestedImage } from '../requested-image';
import type { ServerFlavor } from '../server-row';
import { getServer } from '../server.repository';
import { serverDetail } from '../server.view';
import type { ActionContext, ActionHandler } from './action';
import { Rebuild, type RebuildBody } from './rebuild.schema';
import type { OperationPlan } from '../../operations/begin-on-instance';
import { startAction } from './start-action';

async function plan({ db, neighbours, caller }: ActionContext, row: InstanceRow, body: RebuildBody, adminPass: string): Promise<OperationPlan> {
  const actor = actorOf(caller);
  const image = await requestedImage(neighbours, actor, body.imageRef, 'Cannot find image for rebuild');
  const flavor = JSON.parse(row.flavor_json) as ServerFlavor;
  checkImageFits(image, { memory_mb: flavor.ram, root_gb: flavor.disk });
  const bootImages = await kernelAndRamdisk(neighbours, actor, image);
  const { metadata } = body;
  const { metadata_items: limit } = await readLimits(db, row.project_id, row.user_id);
  if (metadata && limit >= 0 && Object.keys(metadata).length > limit) throw new CloudError('overQuota', `Maximum number of metadata items exceeds ${limit}`, { status: 403 });
  const keypair = body.key_name ? await findKeypair(db, caller, body.key_name) : undefined;
  const args: RebuildArgs = { preserveEphemeral: readBoolean(body.preserve_ephemeral ?? false) === true, start: row.vm_state !== 'stopped' };
  return {
    kind: 'rebuild-instance',
    args: { ...args },
    changes: {
      image_id: image.id, image_json: JSON.stringify(image), boot_images_json: JSON.stringify(bootImages), admin_pass: adminPass,
      ...(body.name !== undefined && { display_name: body.name }),
      ...(body.description !== undefined && { description: body.description }),
      ...(body.hostname !== undefined && { hostname: body.hostname }),
      ...(body['OS-DCF:diskConfig'] !== undefined && { disk_config: body['OS-DCF:diskConfig'] }),
      ...(body.accessIPv4 !== undefined && { access_ip_v4: body.accessIPv4 || null }),
      ...(body.accessIPv6 !== undefined && { access_ip_v6: body.accessIPv6 || null }),
      ...(body.user_data !== undefined && { user_data: body.user_data }),
      ...(body.key_name !== undefined && { key_name: keypair?.name ?? null, key_public: keypair?.public_key ?? null, key_type: keypair?.type ?? null }),
    },
    async also(trx) {
      if (!metadata) return;
      await trx.deleteFrom('instance_metadata').where('instance_id', '=', row.id).execute();
      const items = Object.entries(metadata).map(([name, value]) => ({ instance_id: row.id, name, value }));
      if (items.length > 0) await trx.insertInto('instance_metadata').values(items).execute();
    },
  };
}

/** New disks from an image, in the same place: the server keeps its host, its ports and its addresses. */
export const rebuild: ActionHandler = {
  rule: SERVER_ACTIONS.rebuild.rule,
  schema: Rebuild,
  async run(context, body: RebuildBody) {
    const { db, settings, caller, policy, serverId, request, reply, at } = context;
    const adminPass = body.adminPass ?? newPassword();
    await startAction(context, 'rebuild', (row) => plan(context, row, body, adminPass));
    const server = await getServer(db, settings.networkSchema, caller, serverId);
    const admin = policy.allows(caller, 'os_compute_api:os-extended-server-attributes');
    // The user data stands in the answer once, under its own name and for everybody.
    const { 'OS-EXT-SRV-ATTR:user_data': _, ...view } = serverDetail(server, { request, at, admin, form: 'update' });
    void reply.header('Location', `${baseUrl(request)}/v2.1/servers/${serverId}`);
    return { server: { ...view, ...(at >= 54 && { key_name: server.key_name }), ...(at >= 57 && { user_data: server.user_data }), adminPass } };
  },
};
