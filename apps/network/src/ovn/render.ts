import type { Db } from '../db/tables';
import { renderCloud, renderGroups } from './render-groups';
import { renderNetworks, renderSubnets } from './render-networks';
import { renderPorts } from './render-ports';
import { renderFloatingIps, renderRouters, type GatewayHosts } from './render-routers';
import type { DesiredResource } from './rows';
import type { OvnKind } from './sync-queue';

/** Renders resources of a kind from the tables: those named, or all. One that is gone is not among the answers. */
export type Renderer = (db: Db, ids?: readonly string[]) => Promise<DesiredResource[]>;

export const renderers = (gateways: GatewayHosts): Record<OvnKind, Renderer> => ({
  network: renderNetworks,
  subnet: renderSubnets,
  security_group: renderGroups,
  port: renderPorts,
  router: (db, ids) => renderRouters(db, gateways, ids),
  floatingip: renderFloatingIps,
});
export { renderCloud };
