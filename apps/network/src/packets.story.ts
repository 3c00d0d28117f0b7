import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { NetworkHarness, type ApiUser } from './testing/network-harness';

/** What OVN does with packets, asked of its own tracer on the flows that northd made of our rows. */
let harness: NetworkHarness;
let user: ApiUser;
const run = promisify(execFile);

interface Card { id: string; mac: string; ip: string; network: string }
let web: Card;
let client: Card;
let far: Card;
let open: Card;
let subnetId: string;
let floatingIp: string;
let routerMac: string;
let farRouterMac: string;
let gateway: Card;

const trace = async (network: string, flow: string, ...options: string[]): Promise<string> =>
  (await run('ovn-trace', [`--db=${harness.ovn.southbound}`, '--minimal', '--no-friendly-names', ...options, `virga-${network}`, flow])).stdout;
const ipFlow = (from: Card, to: { mac: string; ip: string }, more = 'icmp4.type == 8', source: { mac?: string; ip?: string } = {}) =>
  `inport == "${from.id}" && eth.src == ${source.mac ?? from.mac} && eth.dst == ${to.mac} && ip4.src == ${source.ip ?? from.ip} && ip4.dst == ${to.ip} && ip.ttl == 64 && ${more}`;
const newConnection = ['--ct', 'new', '--ct', 'new', '--ct', 'new', '--ct', 'new'];
const arrives = async (from: Card, to: Card, more?: string, source?: { mac?: string; ip?: string }) =>
  (await trace(from.network, ipFlow(from, to, more, source), ...newConnection)).includes(`output("${to.id}")`);

async function card(networkId: string, attributes: object = {}): Promise<Card> {
  const port = await user.make('ports', 'port', { network_id: networkId, ...attributes });
  return { id: port.id, mac: port.mac_address, ip: port.fixed_ips[0].ip_address, network: networkId };
}

beforeAll(async () => {
  harness = await NetworkHarness.start('network_packets_story');
  user = harness.user();
  const admin = harness.admin();
  const makeNetwork = async (cidr: string) => {
    const network = await user.make('networks', 'network');
    const subnet = await user.make('subnets', 'subnet', { network_id: network.id, ip_version: 4, cidr });
    return { network, subnet };
  };
  const [one, two] = [await makeNetwork('10.10.0.0/24'), await makeNetwork('10.20.0.0/24')];
  subnetId = one.subnet.id;
  const group = await user.make('security-groups', 'security_group', { name: 'web' });
  await user.make('security-group-rules', 'security_group_rule', { security_group_id: group.id, direction: 'ingress', protocol: 'tcp', port_range_min: 80, port_range_max: 80 });
  const clients = await user.make('security-groups', 'security_group', { name: 'clients' });
  await user.make('security-group-rules', 'security_group_rule', { security_group_id: group.id, direction: 'ingress', protocol: 'icmp', remote_group_id: clients.id });
  web = await card(one.network.id, { security_groups: [group.id], fixed_ips: [{ ip_address: '10.10.0.200' }] });
  client = await card(one.network.id, { security_groups: [clients.id] });
  open = await card(one.network.id, { port_security_enabled: false, security_groups: [] });
  far = await card(two.network.id);
  const external = await admin.make('networks', 'network', { 'router:external': true, 'provider:network_type': 'flat', 'provider:physical_network': 'physnet1' });
  await admin.make('subnets', 'subnet', { network_id: external.id, ip_version: 4, cidr: '203.0.113.0/24', enable_dhcp: false });
  await harness.ovn.sbctl('chassis-add', 'gw1', 'geneve', '127.0.0.2', '--', 'set', 'Chassis', 'gw1', 'hostname=gw1', 'other_config:ovn-bridge-mappings=physnet1:br-ex');
  const router = await user.make('routers', 'router', { external_gateway_info: { network_id: external.id } });
  for (const { subnet } of [one, two]) await user.put(`routers/${router.id}/add_router_interface`, { subnet_id: subnet.id });
  floatingIp = (await user.make('floatingips', 'floatingip', { floating_network_id: external.id, port_id: web.id })).floating_ip_address;
  routerMac = (await user.get(`ports?device_id=${router.id}&network_id=${one.network.id}`)).body.ports[0].mac_address;
  farRouterMac = (await user.get(`ports?device_id=${router.id}&network_id=${two.network.id}`)).body.ports[0].mac_address;
  await harness.written();
  await harness.until('the gateway has its host', async () => (await harness.ovn.nbctl('--bare', '--columns=chassis_name', 'find', 'Gateway_Chassis')).includes('gw1'));
  await harness.ovn.nbctl('--wait=sb', 'sync');
  // What the router would learn by ARP of its neighbour outside.
  const gatewayPort = (await harness.admin().get(`ports?device_id=${router.id}&device_owner=network:router_gateway`)).body.ports[0];
  gateway = { id: gatewayPort.id, mac: gatewayPort.mac_address, ip: gatewayPort.fixed_ips[0].ip_address, network: external.id };
  const datapath = (await harness.ovn.sbctl('--bare', '--columns=datapath', 'find', 'Port_Binding', `logical_port=lrp-${gateway.id}`)).trim();
  await harness.ovn.sbctl('create', 'MAC_Binding', `logical_port=lrp-${gateway.id}`, 'ip="203.0.113.1"', 'mac="fa:16:3e:ff:ff:01"', `datapath=${datapath}`);
});
afterAll(() => harness.stop());

it('lets pass what a rule allows, and drops the rest', async () => {
  expect(await arrives(client, web, 'tcp.dst == 80 && tcp.src == 40000')).toBe(true);
  expect(await arrives(client, web, 'tcp.dst == 22 && tcp.src == 40000')).toBe(false);
  expect(await arrives(client, web, 'icmp4.type == 8')).toBe(true);
  expect(await arrives(open, web, 'icmp4.type == 8')).toBe(false);
  expect(await arrives(client, open, 'tcp.dst == 22 && tcp.src == 40000')).toBe(true);
});

it('drops what a card sends in the name of another', async () => {
  expect(await arrives(client, web, 'icmp4.type == 8', { ip: '10.10.0.99' })).toBe(false);
  expect(await arrives(client, web, 'icmp4.type == 8', { mac: 'fa:16:3e:00:00:99' })).toBe(false);
  expect(await arrives(client, open, 'icmp4.type == 8', { ip: '10.10.0.99' })).toBe(false);
  const arp = (ip: string) => trace(client.network, `inport == "${client.id}" && eth.src == ${client.mac} && eth.dst == ff:ff:ff:ff:ff:ff && arp.op == 2 && arp.sha == ${client.mac} && arp.spa == ${ip} && arp.tha == ff:ff:ff:ff:ff:ff && arp.tpa == ${ip}`);
  expect(await arp(client.ip)).toContain('output(');
  expect(await arp('10.10.0.1')).not.toContain('output(');
  // Without port security a card may be whoever it likes.
  expect(await arrives(open, client, 'icmp4.type == 8', { ip: '10.10.0.99' })).toBe(false);
  expect((await trace(open.network, ipFlow(open, { mac: routerMac, ip: far.ip }, 'udp.dst == 53 && udp.src == 1', { ip: '10.10.0.99' }), ...newConnection))).not.toContain('drop');
});

it('answers a card that asks for its address', async () => {
  const discover = await run('ovn-trace', [`--db=${harness.ovn.southbound}`, '--detailed', `virga-${web.network}`,
    `inport == "${web.id}" && eth.src == ${web.mac} && eth.dst == ff:ff:ff:ff:ff:ff && ip4.src == 0.0.0.0 && ip4.dst == 255.255.255.255 && udp.src == 68 && udp.dst == 67 && ip.ttl == 1`]);
  expect(discover.stdout).toContain('put_dhcp_opts(offerip = 10.10.0.200');
  expect(discover.stdout).toContain('classless_static_route = {169.254.169.254/32, 10.10.0.2, 0.0.0.0/0, 10.10.0.1}');
  expect((await user.get(`subnets/${subnetId}`)).body.subnet.enable_dhcp).toBe(true);
});

it('routes between subnets, as the rules allow', async () => {
  const to = (from: Card, gateway: string, target: Card, more: string) => trace(from.network, ipFlow(from, { mac: gateway, ip: target.ip }, more), ...newConnection);
  expect(await to(far, farRouterMac, web, 'tcp.dst == 80 && tcp.src == 40000')).toContain(`output("${web.id}")`);
  expect(await to(far, farRouterMac, web, 'tcp.dst == 22 && tcp.src == 40000')).not.toContain(`output("${web.id}")`);
  // The default group of the other card lets only its own members in.
  expect(await to(client, routerMac, far, 'tcp.dst == 80 && tcp.src == 40000')).not.toContain(`output("${far.id}")`);
});

it('leads outside by the floating IP or by the router\'s address, and in by the floating IP alone', async () => {
  const outward = async (from: Card) =>
    (await run('ovn-trace', [`--db=${harness.ovn.southbound}`, '--summary', ...newConnection, `virga-${from.network}`, ipFlow(from, { mac: routerMac, ip: '198.51.100.1' }, 'udp.dst == 53 && udp.src == 1000')])).stdout;
  expect(await outward(web)).toContain(`ct_snat_in_czone(${floatingIp})`);
  expect(await outward(client)).toContain(`ct_snat_in_czone(${gateway.ip})`);
  const inward = (ip: string, port: number) => trace(gateway.network,
    `inport == "provnet-${gateway.network}" && eth.src == fa:16:3e:ff:ff:01 && eth.dst == ${gateway.mac} && ip4.src == 198.51.100.1 && ip4.dst == ${ip} && ip.ttl == 64 && tcp.dst == ${port} && tcp.src == 40000`, ...newConnection);
  expect(await inward(floatingIp, 80)).toContain(`output("${web.id}")`);
  expect(await inward(floatingIp, 22)).not.toContain(`output("${web.id}")`);
  expect(await inward(gateway.ip, 80)).not.toContain('output("');
});

it('advertises an IPv6 prefix, and routes and filters IPv6 as well', async () => {
  const makeSixth = async (cidr: string) => {
    const network = await user.make('networks', 'network');
    const subnet = await user.make('subnets', 'subnet', { network_id: network.id, ip_version: 6, cidr, ipv6_ra_mode: 'slaac', ipv6_address_mode: 'slaac' });
    return { network, subnet };
  };
  const [one, two] = [await makeSixth('fd00:1::/64'), await makeSixth('fd00:2::/64')];
  const group = await user.make('security-groups', 'security_group', { name: 'six' });
  await user.make('security-group-rules', 'security_group_rule', { security_group_id: group.id, direction: 'ingress', ethertype: 'IPv6', protocol: 'tcp', port_range_min: 80, port_range_max: 80 });
  const [near, remote] = [await card(one.network.id), await card(two.network.id, { security_groups: [group.id] })];
  const router = await user.make('routers', 'router');
  for (const { subnet } of [one, two]) expect((await user.put(`routers/${router.id}/add_router_interface`, { subnet_id: subnet.id })).status).toBe(200);
  const inner = (await user.get(`ports?device_id=${router.id}&network_id=${one.network.id}`)).body.ports[0];
  await harness.written();
  await harness.ovn.nbctl('--wait=sb', 'sync');
  // The tracer of this OVN cannot trace an advertisement; the flow that sends it is there.
  const flows = (await harness.ovn.sbctl('lflow-list', `virga-${router.id}`)).split('\n').filter((line) => line.includes('put_nd_ra_opts'));
  expect(flows.some((line) => line.includes(`inport == "lrp-${inner.id}"`) && line.includes('addr_mode = "slaac"') && line.includes('prefix = fd00:1::/64') && line.includes('mtu = 1442'))).toBe(true);
  const to = (port: number, source = near.ip) => trace(near.network,
    `inport == "${near.id}" && eth.src == ${near.mac} && eth.dst == ${inner.mac_address} && ip6.src == ${source} && ip6.dst == ${remote.ip} && ip.ttl == 64 && tcp.dst == ${port} && tcp.src == 40000`, ...newConnection);
  expect(await to(80)).toContain(`output("${remote.id}")`);
  expect(await to(22)).not.toContain(`output("${remote.id}")`);
  expect(await to(80, 'fd00:1::99')).not.toContain(`output("${remote.id}")`);
});
