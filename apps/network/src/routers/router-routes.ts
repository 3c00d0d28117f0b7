import { badRequest } from '@virga/core';
import { sql } from '@virga/db';
import { containsAddress, parseAddress, parseCidr } from '@virga/domain';
import { checkAttribute } from '../api/attributes';
import type { Row, Trx } from '../api/collection';
import { readRoutes } from '../subnets/subnet.rules';
import { touchRouter } from './router-interfaces';
import { ROUTER_ATTRIBUTES } from './router.attributes';

interface Route { destination: string; nexthop: string }

/** A route's next hop must be on a subnet that the router is attached to. */
async function checkHops(trx: Trx, routerId: string, routes: readonly { destination: string; nexthop: string }[]): Promise<void> {
  if (routes.length === 0) return;
  const { rows } = await sql<{ cidr: string; address: string }>`
    select s.cidr, a.address from ip_allocations a join subnets s on s.id = a.subnet_id
    where a.port_id in (select i.port_id from router_interfaces i where i.router_id = ${routerId}) or a.port_id = (select r.gateway_port_id from routers r where r.id = ${routerId})`.execute(trx);
  for (const route of routes) {
    const hop = parseAddress(route.nexthop)!;
    if (!rows.some(({ cidr }) => containsAddress(parseCidr(cidr)!, hop))) {
      throw badRequest(`Invalid format for routes: [{'destination': '${route.destination}', 'nexthop': '${route.nexthop}'}], the nexthop is not connected with router`, { type: 'InvalidRoutes' });
    }
    if (rows.some(({ address }) => address === route.nexthop)) {
      throw badRequest(`Invalid format for routes: [{'destination': '${route.destination}', 'nexthop': '${route.nexthop}'}], the nexthop is used by router`, { type: 'InvalidRoutes' });
    }
  }
}

/** Routes in canonical form, each once; 400 for a next hop that the router cannot reach. */
export async function checkedRoutes(trx: Trx, routerId: string, given: readonly Route[]): Promise<Route[]> {
  const routes = [...new Map(readRoutes([...given], 'routes').map((route) => [keyOf(route), route])).values()];
  await checkHops(trx, routerId, routes);
  return routes;
}

const keyOf = ({ destination, nexthop }: Route): string => `${destination} ${nexthop}`;

function readGiven(routes: unknown): Route[] {
  checkAttribute('routes', ROUTER_ATTRIBUTES.routes, routes ?? null);
  return (routes ?? []) as Route[];
}

async function store(trx: Trx, row: Row, routes: readonly Route[]): Promise<void> {
  checkAttribute('routes', ROUTER_ATTRIBUTES.routes, routes);
  await trx.updateTable('routers').set({ routes: JSON.stringify(routes) }).where('id', '=', row.id).execute();
  await touchRouter(trx, row.id);
}

export async function addRoutes(trx: Trx, row: Row, given: unknown): Promise<void> {
  const current = JSON.parse(row.routes as string) as Route[];
  await store(trx, row, await checkedRoutes(trx, row.id, [...current, ...readGiven(given)]));
}

export async function removeRoutes(trx: Trx, row: Row, given: unknown): Promise<void> {
  const gone = new Set(readRoutes(readGiven(given), 'routes').map(keyOf));
  await store(trx, row, (JSON.parse(row.routes as string) as Route[]).filter((route) => !gone.has(keyOf(route))));
}
