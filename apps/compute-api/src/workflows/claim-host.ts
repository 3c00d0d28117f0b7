import type { ImageFacts } from '@virga/contracts';
import { aggregateHosts } from '../aggregates/aggregate-hosts';
import type { InstanceRow, StepContext } from '../operations/workflow';
import { groupClaim } from '../server-groups/server-group.repository';
import type { ServerFlavor } from '../servers/server-row';
import { hostsOfOwnServers } from './hosts-of-servers';
import { unlessHostsMayReturn } from './hosts-may-return';
import { resourcesOf } from './resources';
import { failedHostIds } from './try-elsewhere';

export interface WantedPlace {
  /** Under whom the room is held: the instance, or its migration. */
  consumerId: string;
  flavor: ServerFlavor;
  /** Name of the host; absent when the scheduler chooses. */
  host?: string | undefined;
  availabilityZone?: string | null | undefined;
  /** Only capacity may refuse the named host, or besides it the server group unless that is forced, too. */
  skipFilters?: boolean;
  forceGroup?: boolean;
  /** Others who hold room for the same instance, and are no members of its server group beside it. */
  notCounted?: string[];
  /** Hosts that will not do, beside those that have failed before. */
  notOn?: string[];
  /** Servers of the same project on whose hosts it must be, or must not be. */
  sameHostAs?: string[] | undefined;
  differentHostFrom?: string[] | undefined;
}

/**
 * Room on a host for the instance that the operation is about. Whatever limits where an instance may be is put into the claim here, for
 * every operation that moves or makes one.
 * @throws CloudError NoValidHost, at first one that may be tried again
 */
export async function claimHost(context: StepContext, row: InstanceRow, wanted: WantedPlace): Promise<{ hostId: string; hostname: string }> {
  const { db, neighbours, operation, data } = context;
  const { consumerId, flavor, host, availabilityZone, skipFilters = false, forceGroup = false, notCounted = [], notOn = [], sameHostAs, differentHostFrom } = wanted;
  return neighbours.placement.claim({
    consumerId, projectId: row.project_id, resources: resourcesOf(flavor, JSON.parse(row.image_json) as ImageFacts),
    ...(host !== undefined && { requestedHost: host }), ...(skipFilters && { skipFilters }),
    ...(availabilityZone != null && { availabilityZone }),
    ...(await aggregateHosts(db, { projectId: row.project_id, extraSpecs: flavor.extra_specs })),
    ...(await groupClaim(db, row.id, { except: notCounted, force: forceGroup })),
    ...(sameHostAs && { affinityHostIds: await hostsOfOwnServers(context, sameHostAs) }),
    ...(differentHostFrom && { antiAffinityHostIds: await hostsOfOwnServers(context, differentHostFrom) }),
    excludeHostIds: [...notOn, ...failedHostIds(data)],
  }).catch((error: unknown) => { throw unlessHostsMayReturn(error, operation.tries); });
}
