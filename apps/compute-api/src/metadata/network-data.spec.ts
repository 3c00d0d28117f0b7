import type { InstancePort } from '@virga/contracts';
import { networkData } from './network-data';

const port = (fixedIps: Partial<InstancePort['fixedIps'][number]>[]): InstancePort => ({
  portId: '11111111-2222-3333-4444-555555555555', networkId: 'net', networkName: 'n', macAddress: 'fa:16:3e:00:00:01', mtu: 1442, ownedByInstance: true, status: 'DOWN',
  fixedIps: fixedIps.map((ip) => ({ ipAddress: '10.1.2.3', subnetId: 's', cidr: '10.1.0.0/20', version: 4, gatewayIp: '10.1.0.1', dnsNameservers: ['9.9.9.9'], hostRoutes: [], dhcp: false, ...ip })),
});

it('describes a card without DHCP in full', () => {
  expect(networkData([port([{ hostRoutes: [{ destination: '192.0.2.0/25', nexthop: '10.1.0.9' }] }])])).toEqual({
    links: [{ id: 'tap11111111-22', vif_id: '11111111-2222-3333-4444-555555555555', type: 'ovs', mtu: 1442, ethernet_mac_address: 'fa:16:3e:00:00:01' }],
    networks: [{
      id: 'network0', link: 'tap11111111-22', network_id: 'net', type: 'ipv4', ip_address: '10.1.2.3', netmask: '255.255.240.0',
      routes: [{ network: '0.0.0.0', netmask: '0.0.0.0', gateway: '10.1.0.1' }, { network: '192.0.2.0', netmask: '255.255.255.128', gateway: '10.1.0.9' }],
      services: [{ type: 'dns', address: '9.9.9.9' }],
    }],
    services: [{ type: 'dns', address: '9.9.9.9' }],
  });
});

it('leaves the rest to DHCP where there is one', () => {
  const { networks } = networkData([port([{ dhcp: true }, { version: 6, ipAddress: 'fd00::5', cidr: 'fd00::/64', gatewayIp: 'fd00::1', dnsNameservers: [] }])]) as { networks: unknown[] };
  expect(networks).toEqual([
    { id: 'network0', link: 'tap11111111-22', network_id: 'net', type: 'ipv4_dhcp' },
    { id: 'network1', link: 'tap11111111-22', network_id: 'net', type: 'ipv6', ip_address: 'fd00::5', netmask: 'ffff:ffff:ffff:ffff:0:0:0:0', routes: [{ network: '::', netmask: '::', gateway: 'fd00::1' }], services: [] },
  ]);
});
