import type { Executor, Generated } from '@virga/db';

interface Standard {
  id: string;
  project_id: string;
  name: string;
  description: string;
  /** JSON: string[] */
  tags: Generated<string>;
  revision_number: Generated<number>;
  created_at: Generated<Date>;
  updated_at: Generated<Date>;
}

export interface NetworkTable extends Standard {
  admin_state_up: number;
  shared: number;
  external: number;
  is_default: number;
  mtu: number;
  port_security_enabled: number;
  provider_network_type: string;
  provider_physical_network: string | null;
  provider_segmentation_id: number | null;
  segment_key: string;
  /** JSON: string[] */
  availability_zone_hints: Generated<string>;
}

export interface SubnetTable extends Standard {
  network_id: string;
  ip_version: number;
  cidr: string;
  gateway_ip: string | null;
  enable_dhcp: number;
  ipv6_ra_mode: string | null;
  ipv6_address_mode: string | null;
  /** JSON: Pool[] */
  allocation_pools: string;
  /** JSON: string[] */
  dns_nameservers: string;
  /** JSON: {destination, nexthop}[] */
  host_routes: string;
  /** JSON: string[] */
  service_types: Generated<string>;
  subnetpool_id: string | null;
}

export interface SubnetPoolTable extends Standard {
  ip_version: number;
  /** JSON: string[] */
  prefixes: string;
  min_prefixlen: number;
  max_prefixlen: number;
  default_prefixlen: number;
  default_quota: number | null;
  address_scope_id: string | null;
  is_default: number;
}

export interface AddressScopeTable { id: string; project_id: string; name: string; ip_version: number }

export interface RbacPolicyTable {
  id: string;
  project_id: string;
  object_type: string;
  object_id: string;
  action: string;
  /** A project, or `*` for all. */
  target_project: string;
}

export interface PortTable extends Standard {
  network_id: string;
  mac_address: string;
  admin_state_up: number;
  status: string;
  device_id: string;
  device_owner: string;
  port_security_enabled: number;
  /** JSON: {mac_address, ip_address}[] */
  allowed_address_pairs: Generated<string>;
  /** JSON: {opt_name, opt_value, ip_version}[] */
  extra_dhcp_opts: Generated<string>;
  binding_host_id: Generated<string>;
  /** The host to which its instance is moving: the port is realised on both until it has arrived. */
  binding_next_host_id: Generated<string>;
  binding_vnic_type: Generated<string>;
  /** JSON: object */
  binding_profile: Generated<string>;
  instance_owned: Generated<number>;
  instance_position: Generated<number | null>;
}

export interface IpAllocationTable {
  subnet_id: string;
  address_key: string;
  address: string;
  port_id: string;
  network_id: string;
  position: number;
}

export interface SecurityGroupTable extends Standard {
  stateful: number;
  default_of: string | null;
}

export interface SecurityGroupRuleTable extends Omit<Standard, 'name' | 'description'> {
  security_group_id: string;
  description: string | null;
  direction: 'ingress' | 'egress';
  ethertype: 'IPv4' | 'IPv6';
  protocol: string | null;
  port_range_min: number | null;
  port_range_max: number | null;
  remote_ip_prefix: string | null;
  normalized_cidr: string | null;
  remote_group_id: string | null;
  fingerprint: string;
}

export interface RouterTable extends Standard {
  admin_state_up: number;
  status: Generated<string>;
  gateway_port_id: string | null;
  enable_snat: number;
  distributed: Generated<number>;
  ha: Generated<number>;
  /** JSON: {destination, nexthop}[] */
  routes: Generated<string>;
  /** JSON: string[] */
  availability_zone_hints: Generated<string>;
}

export interface FloatingIpTable extends Standard {
  floating_network_id: string;
  floating_ip_address: string;
  floating_port_id: string;
  port_id: string | null;
  fixed_ip_address: string | null;
  router_id: string | null;
  status: string;
}

export interface OvnSyncTable {
  seq: Generated<number>;
  kind: string;
  resource_id: string;
  created_at: Generated<Date>;
}

export interface NetworkSchema {
  networks: NetworkTable;
  subnets: SubnetTable;
  subnetpools: SubnetPoolTable;
  address_scopes: AddressScopeTable;
  rbac_policies: RbacPolicyTable;
  ports: PortTable;
  ip_allocations: IpAllocationTable;
  security_groups: SecurityGroupTable;
  security_group_rules: SecurityGroupRuleTable;
  port_security_groups: { port_id: string; security_group_id: string };
  routers: RouterTable;
  router_interfaces: { router_id: string; port_id: string };
  floatingips: FloatingIpTable;
  quotas: { project_id: string; resource: string; amount: number };
  quota_locks: { project_id: string; resource: string };
  ovn_sync: OvnSyncTable;
}

export type Db = Executor<NetworkSchema>;
