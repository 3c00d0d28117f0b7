import { admin, adminOrMember, anyone, either, parentMember, projectMember, projectReader, service, type Policies, type PolicyCheck } from '@virga/rest';

/** What neutron lets whoever runs the network of a thing do, besides the thing's own project. */
const ownerOrNetworkOwner = either(admin, projectMember, parentMember);
const networkOwner = either(admin, parentMember);
/** On a shared network, a choice of subnet is open to all; that of an address is not. */
const sharedOrOwner = either(networkOwner, (_context, target) => target.parentShared === true);
const adminOrService = either(admin, service);

type Entry = [rule: string, check: PolicyCheck, description: string];

const NETWORK: Entry[] = [
  ['create_network', adminOrMember, 'Make a network.'],
  ['create_network:shared', admin, 'Make a network that all projects use.'],
  ['create_network:router:external', admin, 'Make a network that leads outside.'],
  ['create_network:is_default', admin, 'Make the default external network.'],
  ['create_network:provider:network_type', admin, 'Choose how a network is carried.'],
  ['create_network:provider:physical_network', admin, 'Choose the physical network.'],
  ['create_network:provider:segmentation_id', admin, 'Choose the segment.'],
  ['get_network:provider:network_type', admin, 'See how a network is carried.'],
  ['get_network:provider:physical_network', admin, 'See the physical network.'],
  ['get_network:provider:segmentation_id', admin, 'See the segment.'],
  ['update_network', adminOrMember, 'Change a network.'],
  ['update_network:shared', admin, 'Share a network.'],
  ['update_network:router:external', admin, 'Make a network lead outside.'],
  ['update_network:is_default', admin, 'Make a network the default external one.'],
  ['delete_network', adminOrMember, 'Delete a network.'],
];
const SUBNET: Entry[] = [
  ['create_subnet', networkOwner, 'Make a subnet on a network of one\'s own.'],
  ['update_subnet', ownerOrNetworkOwner, 'Change a subnet.'],
  ['delete_subnet', ownerOrNetworkOwner, 'Delete a subnet.'],
];
const PORT_ATTRIBUTE_CHECKS: Record<string, PolicyCheck> = {
  device_owner: networkOwner,
  mac_address: networkOwner,
  fixed_ips: sharedOrOwner,
  'fixed_ips:ip_address': networkOwner,
  'fixed_ips:subnet_id': sharedOrOwner,
  port_security_enabled: networkOwner,
  allowed_address_pairs: networkOwner,
  'binding:host_id': adminOrService,
  'binding:profile': adminOrService,
};
const PORT: Entry[] = [
  ['create_port', adminOrMember, 'Make a port.'],
  ['update_port', either(admin, projectMember), 'Change a port.'],
  ['delete_port', ownerOrNetworkOwner, 'Delete a port.'],
  ...['create', 'update'].flatMap((verb) => Object.entries(PORT_ATTRIBUTE_CHECKS).map(([name, check]): Entry => [`${verb}_port:${name}`, check, `Set ${name} of a port.`])),
  ...['host_id', 'profile', 'vif_type', 'vif_details'].map((name): Entry => [`get_port:binding:${name}`, adminOrService, `See binding:${name} of a port.`]),
];
const ROUTER: Entry[] = [
  ['create_router', adminOrMember, 'Make a router.'],
  ['create_router:external_gateway_info:enable_snat', admin, 'Choose whether a router translates addresses.'],
  ['create_router:external_gateway_info:external_fixed_ips', admin, 'Choose a router\'s outside addresses.'],
  ['create_router:distributed', admin, 'Choose a distributed router.'],
  ['create_router:ha', admin, 'Choose a highly available router.'],
  ['get_router:distributed', admin, 'See whether a router is distributed.'],
  ['get_router:ha', admin, 'See whether a router is highly available.'],
  ['update_router:distributed', admin, 'Make a router distributed.'],
  ['update_router:ha', admin, 'Make a router highly available.'],
  ['update_router', adminOrMember, 'Change a router.'],
  ['update_router:external_gateway_info:enable_snat', admin, 'Choose whether a router translates addresses.'],
  ['update_router:external_gateway_info:external_fixed_ips', admin, 'Choose a router\'s outside addresses.'],
  ['delete_router', adminOrMember, 'Delete a router.'],
  ['add_router_interface', adminOrMember, 'Attach a subnet to a router.'],
  ['remove_router_interface', adminOrMember, 'Detach a subnet from a router.'],
];
const FLOATING_IP: Entry[] = [
  ['create_floatingip', adminOrMember, 'Take a floating IP.'],
  ['create_floatingip:floating_ip_address', admin, 'Choose a floating IP.'],
  ['update_floatingip', adminOrMember, 'Associate a floating IP.'],
  ['delete_floatingip', adminOrMember, 'Give a floating IP back.'],
];
const SECURITY_GROUP: Entry[] = [
  ['create_security_group', adminOrMember, 'Make a security group.'],
  ['update_security_group', adminOrMember, 'Change a security group.'],
  ['delete_security_group', adminOrMember, 'Delete a security group.'],
  ['create_security_group_rule', either(admin, parentMember), 'Add a rule to a security group of one\'s own.'],
  ['delete_security_group_rule', ownerOrNetworkOwner, 'Delete a security group rule.'],
];
const SHARING: Entry[] = [
  ['create_subnetpool', adminOrMember, 'Make a subnet pool.'],
  ['create_subnetpool:shared', admin, 'Make a subnet pool that all projects use.'],
  ['create_subnetpool:is_default', admin, 'Make the default subnet pool.'],
  ['update_subnetpool', adminOrMember, 'Change a subnet pool.'],
  ['update_subnetpool:is_default', admin, 'Make a subnet pool the default one.'],
  ['delete_subnetpool', adminOrMember, 'Delete a subnet pool.'],
  ['create_address_scope', adminOrMember, 'Make an address scope.'],
  ['create_address_scope:shared', admin, 'Make an address scope that all projects use.'],
  ['update_address_scope', adminOrMember, 'Change an address scope.'],
  ['update_address_scope:shared', admin, 'Share an address scope.'],
  ['delete_address_scope', adminOrMember, 'Delete an address scope.'],
  ['create_rbac_policy', adminOrMember, 'Share something of one\'s own with a project.'],
  ['create_rbac_policy:target_tenant', admin, 'Share something with all projects.'],
  ['create_rbac_policy:access_as_external', admin, 'Let a project\'s routers out through a network.'],
  ['update_rbac_policy', adminOrMember, 'Change whom something is shared with.'],
  ['update_rbac_policy:target_tenant', admin, 'Share something with all projects.'],
  ['delete_rbac_policy', adminOrMember, 'Share no longer.'],
];
const OTHER: Entry[] = [
  ['get_quota', either(admin, projectReader), 'See the quotas of a project.'],
  ['update_quota', admin, 'Change the quotas of a project.'],
  ['delete_quota', admin, 'Give a project the default quotas back.'],
  ['get_agent', admin, 'See the agents.'],
  ['get_dhcp-agents', admin, 'See the DHCP agents of a network.'],
  ['get_dhcp-networks', admin, 'See the networks of a DHCP agent.'],
  ['create_dhcp-network', admin, 'Give a network to a DHCP agent.'],
  ['delete_dhcp-network', admin, 'Take a network from a DHCP agent.'],
  ['get_network_ip_availability', admin, 'See how many addresses of networks are used.'],
  ['get_service_provider', anyone, 'See who provides services.'],
  ['get_availability_zone', anyone, 'See the availability zones.'],
];

/** Neutron's rule names. What a caller may not even see is 404 before any of these is asked. */
export const policies: Policies = Object.fromEntries(
  [...NETWORK, ...SUBNET, ...PORT, ...ROUTER, ...FLOATING_IP, ...SECURITY_GROUP, ...SHARING, ...OTHER].map(([rule, check, description]) => [rule, { check, description }]),
);
