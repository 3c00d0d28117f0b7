import { parseCidr } from '@virga/domain';
import { checkIpv6Modes, readCidr, readGateway, readNameservers, readPools, readRoutes } from './subnet.rules';

const block = parseCidr('10.0.0.0/24')!;
const typeOf = (work: () => unknown): string | undefined => {
  try { work(); return undefined; } catch (error) { return (error as { type?: string }).type; }
};

describe('subnet rules', () => {
  it.each([['127.0.0.0/8'], ['224.0.0.0/24'], ['255.255.255.0/24'], ['0.0.0.0/0'], ['x'], ['10.0.0.0']])('refuse the block %s', (cidr) => {
    expect(typeOf(() => readCidr(cidr, 4, null))).toBe('InvalidInput');
  });
  it('need a block, and /64 where cards make their own address', () => {
    expect(typeOf(() => readCidr(undefined, 4, null))).toBe('BadRequest');
    expect(typeOf(() => readCidr('fd00::/48', 6, 'slaac'))).toBe('InvalidInput');
    expect(readCidr('fd00::/48', 6, 'dhcpv6-stateful').prefix).toBe(48);
  });

  it('take no gateway that no host can have', () => {
    expect(readGateway(block, undefined)).toBe('10.0.0.1');
    expect(readGateway(block, null)).toBeNull();
    for (const gateway of ['10.0.0.0', '10.0.0.255', '10.0.1.1', 'fd00::1']) expect(typeOf(() => readGateway(block, gateway))).toBe('GatewayNotValidOnSubnet');
    expect(readGateway(parseCidr('fd00::/64')!, 'FE80::1')).toBe('fe80::1');
  });

  it('keep pools inside, apart, and off the gateway', () => {
    const pools = (...ranges: [string, string][]) => readPools(block, '10.0.0.1', ranges.map(([start, end]) => ({ start, end })));
    expect(pools(['10.0.0.100', '10.0.0.110'], ['10.0.0.2', '10.0.0.9'])).toEqual([{ start: '10.0.0.2', end: '10.0.0.9' }, { start: '10.0.0.100', end: '10.0.0.110' }]);
    expect(typeOf(() => pools(['10.0.0.2', '10.0.0.9'], ['10.0.0.9', '10.0.0.20']))).toBe('OverlappingAllocationPools');
    expect(typeOf(() => pools(['10.0.0.1', '10.0.0.9']))).toBe('GatewayConflictWithAllocationPools');
    expect(typeOf(() => pools(['10.0.0.200', '10.0.0.255']))).toBe('OutOfBoundsAllocationPool');
    expect(typeOf(() => pools(['10.0.0.9', '10.0.0.2']))).toBe('InvalidAllocationPool');
    expect(readPools(block, '10.0.0.1', [])).toEqual([]);
  });

  it('read name servers and routes in canonical form', () => {
    expect(readNameservers(['FD00::53', '192.0.2.1'])).toEqual(['fd00::53', '192.0.2.1']);
    expect(typeOf(() => readNameservers(['192.0.2.1', '192.0.2.1']))).toBe('HTTPBadRequest');
    expect(readRoutes([{ destination: '10.1.2.3/16', nexthop: '10.0.0.9' }], 'host_routes', 4)).toEqual([{ destination: '10.1.0.0/16', nexthop: '10.0.0.9' }]);
    expect(typeOf(() => readRoutes([{ destination: '10.1.0.0/16', nexthop: 'fd00::1' }], 'routes'))).toBe('InvalidInput');
    // Text that would be read as options by OVN's DHCP server gets nowhere near it.
    expect(typeOf(() => readRoutes([{ destination: '10.1.0.0/16}, router=1.1.1.1', nexthop: '10.0.0.9' }], 'host_routes'))).toBe('HTTPBadRequest');
  });

  it('know when IPv6 modes mean something', () => {
    expect(typeOf(() => checkIpv6Modes(4, 'slaac', null, true))).toBe('InvalidInput');
    expect(typeOf(() => checkIpv6Modes(6, 'slaac', 'dhcpv6-stateful', true))).toBe('InvalidInput');
    expect(typeOf(() => checkIpv6Modes(6, 'slaac', 'slaac', false))).toBe('InvalidInput');
    expect(typeOf(() => checkIpv6Modes(6, null, null, false))).toBeUndefined();
  });
});
