import { badRequest, type RequestContext } from '@virga/core';
import type { CreateServerBody } from './create-server.schema';
import type { CreateServerDeps } from './create-server';

export interface PlacementWish {
  availabilityZone?: string;
  requestedHost?: string;
  /** True when only capacity may refuse the host (zone:host form). */
  forced?: boolean;
}

/** Where the user wants the server: zone, `zone:host[:node]`, or from 2.74 host / hypervisor_hostname; hosts are for administrators. */
export async function placementWish({ db, policy, settings }: CreateServerDeps, caller: RequestContext, server: CreateServerBody['server']): Promise<PlacementWish> {
  const [zone, forcedHost, node, ...rest] = (server.availability_zone ?? '').split(':');
  if (rest.length > 0) throw badRequest('Unable to parse availability_zone');
  const wish: PlacementWish = zone ? { availabilityZone: zone } : {};
  if (wish.availabilityZone !== undefined && wish.availabilityZone !== settings.defaultZone) {
    const known = await db.selectFrom('hosts').select('id').where('availability_zone', '=', wish.availabilityZone).executeTakeFirst();
    if (!known) throw badRequest('The requested availability zone is not available');
  }
  if (forcedHost || node) {
    policy.enforce(caller, 'os_compute_api:servers:create:forced_host');
    return { ...wish, requestedHost: await knownHost(db, forcedHost || node!), forced: true };
  }
  const asked = server.host ?? server.hypervisor_hostname;
  if (asked === undefined) return wish;
  policy.enforce(caller, 'compute:servers:create:requested_destination');
  if (server.hypervisor_hostname !== undefined && server.host !== undefined && server.host !== server.hypervisor_hostname) {
    throw badRequest(`Hypervisor '${server.hypervisor_hostname}' is not on host '${server.host}'.`);
  }
  return { ...wish, requestedHost: await knownHost(db, asked) };
}

async function knownHost(db: CreateServerDeps['db'], hostname: string): Promise<string> {
  const row = await db.selectFrom('hosts').select('hostname').where('hostname', '=', hostname).executeTakeFirst();
  if (!row) throw badRequest(`Compute host ${hostname} could not be found.`);
  return row.hostname;
}
