import { hostAgentContract } from '@virga/contracts';
import { actorOf, badRequest, type RequestContext } from '@virga/core';
import { requestedImage } from '../servers/requested-image';
import type { Bus, Db, Neighbours } from '../tokens';
import type { Aggregate } from './aggregate.repository';

/** Has every host of the aggregate fetch the images that it does not have yet; what comes of it the hosts' logs tell. */
export async function cacheImages({ db, bus, neighbours }: { db: Db; bus: Bus; neighbours: Neighbours }, caller: RequestContext, aggregate: Aggregate, imageIds: string[]): Promise<void> {
  if (new Set(imageIds).size < imageIds.length) throw badRequest('Duplicate images in request');
  const images = await Promise.all(imageIds.map((id) => requestedImage(neighbours, actorOf(caller), id, `Image ${id} could not be found.`)));
  const hosts = await db.selectFrom('aggregate_hosts').select('host_id').where('aggregate_id', '=', aggregate.id).execute();
  await Promise.all(hosts.map(({ host_id: hostId }) => bus.client(hostAgentContract, { hostId }).fetchImages({ images })));
}
