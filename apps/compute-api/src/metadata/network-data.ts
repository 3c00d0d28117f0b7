import type { InstancePort } from '@virga/contracts';

/** Dotted netmask of a prefix length, or the full IPv6 one. */
function netmask(cidr: string, version: 4 | 6): string {
  const bits = Number(cidr.split('/')[1]);
  if (version === 4) return [0, 8, 16, 24].map((at) => (at + 8 <= bits ? 255 : at >= bits ? 0 : 256 - 2 ** (8 - (bits - at)))).join('.');
  return Array.from({ length: 8 }, (_, group) => {
    const set = Math.min(16, Math.max(0, bits - group * 16));
    return (set === 0 ? 0 : (0xffff << (16 - set)) & 0xffff).toString(16);
  }).join(':');
}

/** network_data.json: links, networks and services of the instance's ports, by OpenStack's schema of that document. */
export function networkData(ports: InstancePort[]): unknown {
  const links = ports.map(({ portId, macAddress, mtu }) => ({ id: linkId(portId), vif_id: portId, type: 'ovs', mtu, ethernet_mac_address: macAddress }));
  let count = 0;
  const networks = ports.flatMap(({ portId, networkId, fixedIps }) => fixedIps.map((ip) => {
    const common = { id: `network${count++}`, link: linkId(portId), network_id: networkId };
    if (ip.dhcp && ip.version === 4) return { ...common, type: 'ipv4_dhcp' };
    const zero = ip.version === 4 ? '0.0.0.0' : '::';
    const routes = [
      ...(ip.gatewayIp === null ? [] : [{ network: zero, netmask: zero, gateway: ip.gatewayIp }]),
      ...ip.hostRoutes.map(({ destination, nexthop }) => ({ network: destination.split('/')[0], netmask: netmask(destination, destination.includes(':') ? 6 : 4), gateway: nexthop })),
    ];
    return {
      ...common, type: ip.dhcp ? 'ipv6_dhcpv6-stateful' : `ipv${ip.version}`, ip_address: ip.ipAddress, netmask: netmask(ip.cidr, ip.version), routes,
      services: ip.dnsNameservers.map((address) => ({ type: 'dns', address })),
    };
  }));
  const servers = [...new Set(ports.flatMap(({ fixedIps }) => fixedIps.flatMap(({ dnsNameservers }) => dnsNameservers)))];
  return { links, networks, services: servers.map((address) => ({ type: 'dns', address })) };
}

/** Name of the tap device of a port, which is also how nova names its link. */
const linkId = (portId: string): string => `tap${portId.slice(0, 11)}`;
