import { randomInt } from 'node:crypto';
import { actorOf, badRequest, CloudError, newUuid, type ActorRef, type RequestContext } from '@virga/core';
import type { ImageFacts, RequestedNetwork } from '@virga/contracts';
import { inTransaction } from '@virga/db';
import { canonicalAddress } from '@virga/domain';
import type { PolicyEnforcer } from '@virga/rest';
import { readBoolean } from '../booleans';
import { dbNow } from '../db/time';
import { findFlavor, type Flavor } from '../flavors/flavor.repository';
import { readLimits } from '../quotas/quota-limits';
import { ensureUsage, takeUsage } from '../quotas/quota-usage';
import { startOperation } from '../operations/start-operation';
import { joinGroup } from '../server-groups/server-group.repository';
import type { BuildArgs } from '../workflows/build-instance';
import type { BootImages } from '../workflows/instance-spec';
import type { ComputeSettings, Db, Neighbours } from '../tokens';
import { bootImage } from './boot-device';
import type { CreateServerBody } from './create-server.schema';
import { hostnameFrom } from './hostname';
import { placementWish, type PlacementWish } from './placement-wish';
import { checkImageFits, requestedImage, kernelAndRamdisk } from './requested-image';
import { schedulerHints } from './scheduler-hints';
import { resolveNetworks } from './requested-networks';
import { keptFlavor } from './server-row';

export interface CreateServerDeps { db: Db; neighbours: Neighbours; policy: PolicyEnforcer; settings: ComputeSettings }
export interface CreatedServers { ids: string[]; reservationId: string; adminPass: string; diskConfig: string; securityGroups: string[] }

const LETTERS = 'abcdefghjkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789';
const random = (alphabet: string, length: number): string => Array.from({ length }, () => alphabet[randomInt(alphabet.length)]!).join('');
/** A password for a guest that wants one. */
export const newPassword = (): string => random(LETTERS, 12);
const reservation = (): string => `r-${random('abcdefghijklmnopqrstuvwxyz0123456789', 8)}`;

interface Settled {
  flavor: Flavor;
  image: ImageFacts;
  bootImages: BootImages;
  networks: RequestedNetwork[];
  securityGroups: string[];
  securityGroupIds: string[];
  keypair: { name: string; public_key: string; type: string } | undefined;
  wish: PlacementWish;
  hints: Pick<BuildArgs, 'sameHostAs' | 'differentHostFrom'>;
  groupId: string | undefined;
  minCount: number;
  maxCount: number;
}

/** POST /servers: everything is checked first, then written in one transaction; the building itself is the conductor's. */
export async function createServers(deps: CreateServerDeps, caller: RequestContext, body: CreateServerBody, minor: number): Promise<CreatedServers> {
  const settled = await settle(deps, caller, body, minor);
  return write(deps, caller, body, settled);
}

async function settle(deps: CreateServerDeps, caller: RequestContext, body: CreateServerBody, minor: number): Promise<Settled> {
  const { server } = body;
  const actor = actorOf(caller);
  const minCount = Number(server.min_count ?? 1);
  const maxCount = Number(server.max_count ?? minCount);
  if (minCount > maxCount) throw badRequest('min_count must be <= max_count');
  if (maxCount > 1 && server.hostname !== undefined) throw badRequest('Unable to allocate a single hostname to multiple instances');
  const wish = await placementWish(deps, caller, server);
  const flavor = await findFlavor(deps.db, String(server.flavorRef), caller);
  if (!flavor || flavor.disabled) throw badRequest(`Flavor ${String(server.flavorRef)} could not be found.`);
  const image = await requestedImage(deps.neighbours, actor, bootImage(body));
  checkImageFits(image, flavor);
  const bootImages = await kernelAndRamdisk(deps.neighbours, actor, image);
  await checkMetadataQuota(deps.db, caller, Object.keys(server.metadata ?? {}).length);
  const securityGroups = [...new Set((server.security_groups ?? []).flatMap(({ name }) => (name === undefined ? [] : [name])))];
  const resolved = await resolveNetworks(deps.neighbours, actor, { requested: server.networks, securityGroups, count: maxCount, minor });
  const { hints, groupId } = await schedulerHints(deps.db, caller, body);
  const keypair = server.key_name ? await findKeypair(deps.db, caller, server.key_name) : undefined;
  return { flavor, image, bootImages, ...resolved, securityGroups: securityGroups.length > 0 ? securityGroups : ['default'], keypair, wish, hints, groupId, minCount, maxCount };
}

async function checkMetadataQuota(db: Db, caller: RequestContext, count: number): Promise<void> {
  if (count === 0) return;
  const { metadata_items: limit } = await readLimits(db, caller.project!.id, caller.user.id);
  if (limit >= 0 && count > limit) throw new CloudError('overQuota', `Maximum number of metadata items exceeds ${limit}`, { status: 403 });
}

export async function findKeypair(db: Db, caller: RequestContext, name: string) {
  const keypair = await db.selectFrom('keypairs').select(['name', 'public_key', 'type']).where('user_id', '=', caller.user.id).where('name', '=', name).executeTakeFirst();
  if (!keypair) throw badRequest('Invalid key_name provided.');
  return keypair;
}

async function write({ db }: CreateServerDeps, caller: RequestContext, { server }: CreateServerBody, settled: Settled): Promise<CreatedServers> {
  const { flavor, image } = settled;
  const projectId = caller.project!.id;
  const actor: ActorRef = actorOf(caller);
  const adminPass = server.adminPass ?? newPassword();
  const reservationId = reservation();
  const diskConfig = server['OS-DCF:diskConfig'] ?? (image.properties.auto_disk_config?.toLowerCase() === 'true' ? 'AUTO' : 'MANUAL');
  const kept = keptFlavor(flavor);
  const args: BuildArgs = {
    networks: settled.networks, securityGroupIds: settled.securityGroupIds, ...settled.hints,
    ...(settled.wish.availabilityZone !== undefined && { availabilityZone: settled.wish.availabilityZone }),
    ...(settled.wish.requestedHost !== undefined && { requestedHost: settled.wish.requestedHost, skipFilters: settled.wish.forced === true }),
  };
  await ensureUsage(db, projectId);
  const ids = await inTransaction(db, async (trx) => {
    const count = await takeUsage(trx, {
      projectId, userId: caller.user.id, each: { instances: 1, cores: flavor.vcpus, ram: flavor.memory_mb }, minCount: settled.minCount, maxCount: settled.maxCount,
    });
    const made: string[] = [];
    for (let index = 0; index < count; index++) {
      const id = newUuid();
      const name = settled.maxCount > 1 ? `${server.name}-${index + 1}` : server.name;
      await trx.insertInto('instances').values({
        id, display_name: name.slice(0, 255), description: server.description ?? null, hostname: server.hostname ?? hostnameFrom(name, id),
        project_id: projectId, user_id: caller.user.id, image_id: image.id, image_json: JSON.stringify(image), boot_images_json: JSON.stringify(settled.bootImages), flavor_json: JSON.stringify(kept),
        key_name: settled.keypair?.name ?? null, key_public: settled.keypair?.public_key ?? null, key_type: settled.keypair?.type ?? null,
        user_data: server.user_data || null, admin_pass: adminPass, config_drive: readBoolean(server.config_drive ?? false) ? 1 : 0,
        requested_az: settled.wish.availabilityZone ?? null, availability_zone: null, host_id: null, host: null,
        vm_state: 'building', task_state: 'scheduling', power_state: 0, generation: 1, state_changed_at: dbNow, locked_by: null, locked_reason: null,
        disk_config: diskConfig, access_ip_v4: server.accessIPv4 || null, access_ip_v6: canonicalAddress(server.accessIPv6 ?? '') ?? null,
        reservation_id: reservationId, launch_index: index, requested_networks_json: JSON.stringify(settled.networks),
        security_group_ids_json: JSON.stringify(settled.securityGroupIds), security_groups_json: JSON.stringify(settled.securityGroups),
        root_device_name: '/dev/vda', created_at: dbNow, updated_at: dbNow, launched_at: null, terminated_at: null, deleted_at: null,
      }).execute();
      const metadata = Object.entries(server.metadata ?? {}).map(([key, value]) => ({ instance_id: id, name: key, value }));
      if (metadata.length > 0) await trx.insertInto('instance_metadata').values(metadata).execute();
      const tags = (server.tags ?? []).map((tag) => ({ instance_id: id, tag }));
      if (tags.length > 0) await trx.insertInto('instance_tags').values(tags).execute();
      await startOperation(trx, { kind: 'build-instance', instanceId: id, generation: 1, actor, args: { ...args }, action: 'create' });
      made.push(id);
    }
    if (settled.groupId !== undefined) await joinGroup(trx, settled.groupId, made, { projectId, userId: caller.user.id });
    return made;
  });
  return { ids, reservationId, adminPass, diskConfig, securityGroups: settled.securityGroups };
}
