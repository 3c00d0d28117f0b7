import type { InstancePort } from '@virga/contracts';
import { parseCidr } from '@virga/domain';
import { groupBy } from '../db/group-by';
import type { Db } from '../db/tables';
import { metadataDeviceId } from '../ports/port-rows';

/** The addresses of ports with what an instance has to know of their subnets. */
async function addressesOf(db: Db, portIds: string[]) {
  const rows = await db.selectFrom('ip_allocations as a').innerJoin('subnets as s', 's.id', 'a.subnet_id')
    .select(['a.port_id', 'a.address', 's.id as subnet_id', 's.cidr', 's.ip_version', 's.gateway_ip', 's.dns_nameservers', 's.host_routes', 's.enable_dhcp'])
    .where('a.port_id', 'in', portIds).orderBy('a.position').execute();
  return groupBy(rows, ({ port_id }) => port_id);
}

const metadataPortsOf = (db: Db, networkIds: string[]) => db.selectFrom('ports').select(['id', 'network_id', 'mac_address'])
  .where('device_id', 'in', networkIds.map(metadataDeviceId)).where('device_owner', '=', 'network:distributed').execute();

/**
 * The ports of an instance in the order of its cards. Only those that compute took or made: a device id that a user
 * wrote into a port of theirs says nothing.
 */
export async function portsOfInstance(db: Db, instanceId: string): Promise<InstancePort[]> {
  const ports = await db.selectFrom('ports as p').innerJoin('networks as n', 'n.id', 'p.network_id')
    .select(['p.id', 'p.network_id', 'n.name as network_name', 'n.mtu', 'p.mac_address', 'p.status', 'p.instance_owned'])
    .where('p.device_id', '=', instanceId).where('p.instance_position', 'is not', null).orderBy('p.instance_position').orderBy('p.created_at').execute();
  if (ports.length === 0) return [];
  const metadata = await metadataPortsOf(db, [...new Set(ports.map(({ network_id }) => network_id))]);
  const addresses = await addressesOf(db, [...ports, ...metadata].map(({ id }) => id));
  // A metadata port without an address serves nobody.
  const metadataOf = new Map(metadata.filter(({ id }) => addresses.has(id)).map(({ id, network_id, mac_address }) => [network_id, {
    portId: id, macAddress: mac_address, addresses: addresses.get(id)!.map(({ address, cidr }) => `${address}/${parseCidr(cidr)!.prefix}`),
  }]));
  return ports.map((port): InstancePort => {
    const metadataPort = metadataOf.get(port.network_id);
    return {
      portId: port.id,
      networkId: port.network_id,
      networkName: port.network_name,
      macAddress: port.mac_address,
      mtu: port.mtu,
      ownedByInstance: Boolean(port.instance_owned),
      status: port.status,
      fixedIps: (addresses.get(port.id) ?? []).map((address) => ({
        ipAddress: address.address,
        subnetId: address.subnet_id,
        cidr: address.cidr,
        version: address.ip_version === 4 ? 4 : 6,
        gatewayIp: address.gateway_ip,
        dnsNameservers: JSON.parse(address.dns_nameservers) as string[],
        hostRoutes: JSON.parse(address.host_routes) as { destination: string; nexthop: string }[],
        dhcp: Boolean(address.enable_dhcp),
      })),
      ...(metadataPort && { metadataPort }),
    };
  });
}
