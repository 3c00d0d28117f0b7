import type { SbClient } from './northbound';
import type { GatewayHosts } from './render-routers';

export interface Chassis {
  name: string;
  hostname: string;
  /** Physical networks that the host has a bridge for. */
  physicalNetworks: string[];
  /** The operator marked it as a gateway. */
  gateway: boolean;
  encapIds: readonly string[];
  bridgeMappings: string;
}

/** The hosts as they registered themselves in the southbound database. */
export function readChassis(southbound: SbClient): Chassis[] {
  return [...southbound.table('Chassis').all()].map((row) => {
    const settings = { ...row.external_ids, ...row.other_config };
    const bridgeMappings = settings['ovn-bridge-mappings'] ?? '';
    return {
      name: row.name,
      hostname: row.hostname,
      encapIds: row.encaps,
      bridgeMappings,
      physicalNetworks: bridgeMappings.split(',').map((mapping) => mapping.split(':')[0]!.trim()).filter((name) => name !== ''),
      gateway: (settings['ovn-cms-options'] ?? '').split(',').map((option) => option.trim()).includes('enable-chassis-as-gw'),
    };
  });
}

/** Hosts that are marked as gateways and reach the network; when none is marked, all that reach it. */
export const gatewayHosts = (southbound: SbClient): GatewayHosts => ({
  candidates(physicalNetwork) {
    const reaching = readChassis(southbound).filter((chassis) => physicalNetwork === null || chassis.physicalNetworks.includes(physicalNetwork));
    const marked = reaching.filter(({ gateway }) => gateway);
    return (marked.length > 0 ? marked : reaching).map(({ name }) => name).sort();
  },
});
