import { badRequest } from '@virga/core';
import { sql } from '@virga/db';
import { cidrsOverlap, parseCidr } from '@virga/domain';
import type { Trx } from '../api/collection';
import { queueSync } from '../ovn/sync-queue';

/**
 * After the addresses of a router's port have changed: the router's subnets still must not overlap, each must have an
 * address, and its rows are written again.
 */
export async function checkRouterAddresses(trx: Trx, routerId: string, portId: string): Promise<void> {
  const { rows } = await sql<{ port_id: string; subnet_id: string; cidr: string }>`
    select a.port_id, a.subnet_id, s.cidr from router_interfaces i join ip_allocations a on a.port_id = i.port_id join subnets s on s.id = a.subnet_id
    where i.router_id = ${routerId}`.execute(trx);
  const refuse = (message: string) => badRequest(`Bad router request: ${message}.`, { type: 'BadRequest' });
  const own = rows.filter((row) => row.port_id === portId);
  if (own.length === 0) throw refuse('Router port must have at least one fixed IP');
  for (const { subnet_id: subnetId, cidr } of own) {
    const other = rows.find((row) => row.subnet_id !== subnetId && cidrsOverlap(parseCidr(row.cidr)!, parseCidr(cidr)!));
    if (other) throw refuse(`Cidr ${cidr} of subnet ${subnetId} overlaps with cidr ${other.cidr} of subnet ${other.subnet_id}`);
  }
  await trx.updateTable('routers').set((eb) => ({ revision_number: eb('revision_number', '+', 1), updated_at: new Date() })).where('id', '=', routerId).execute();
  await queueSync(trx, 'router', routerId);
}
