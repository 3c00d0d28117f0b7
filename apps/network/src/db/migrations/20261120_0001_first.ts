import { sqlMigration } from '@virga/db';

const STANDARD = `
  project_id VARCHAR(64) NOT NULL,
  name VARCHAR(255) NOT NULL DEFAULT '',
  description VARCHAR(255) NOT NULL DEFAULT '',
  tags TEXT NOT NULL DEFAULT '[]',
  revision_number INT UNSIGNED NOT NULL DEFAULT 0,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
  updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)`;
const ENGINE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Networks, subnets, ports and their addresses. Unique keys are the last guard of every claim. */
export const first = sqlMigration([
  `CREATE TABLE networks (
    id CHAR(36) NOT NULL PRIMARY KEY, ${STANDARD},
    admin_state_up BOOLEAN NOT NULL, shared BOOLEAN NOT NULL, external BOOLEAN NOT NULL, is_default BOOLEAN NOT NULL,
    mtu INT UNSIGNED NOT NULL, port_security_enabled BOOLEAN NOT NULL,
    provider_network_type VARCHAR(32) NOT NULL, provider_physical_network VARCHAR(64) NULL, provider_segmentation_id INT UNSIGNED NULL,
    segment_key VARCHAR(128) NOT NULL COMMENT 'type, physical network and segment: what two networks cannot both have',
    availability_zone_hints TEXT NOT NULL DEFAULT '[]',
    UNIQUE KEY networks_segment (segment_key), KEY networks_project (project_id)
  ) ${ENGINE}`,
  `CREATE TABLE subnets (
    id CHAR(36) NOT NULL PRIMARY KEY, ${STANDARD},
    network_id CHAR(36) NOT NULL,
    ip_version TINYINT UNSIGNED NOT NULL, cidr VARCHAR(64) NOT NULL, gateway_ip VARCHAR(45) NULL, enable_dhcp BOOLEAN NOT NULL,
    ipv6_ra_mode VARCHAR(32) NULL, ipv6_address_mode VARCHAR(32) NULL,
    allocation_pools TEXT NOT NULL, dns_nameservers TEXT NOT NULL, host_routes TEXT NOT NULL, service_types TEXT NOT NULL DEFAULT '[]',
    KEY subnets_project (project_id),
    CONSTRAINT subnets_network FOREIGN KEY (network_id) REFERENCES networks (id)
  ) ${ENGINE}`,
  `CREATE TABLE ports (
    id CHAR(36) NOT NULL PRIMARY KEY, ${STANDARD},
    network_id CHAR(36) NOT NULL, mac_address CHAR(17) NOT NULL, admin_state_up BOOLEAN NOT NULL, status VARCHAR(16) NOT NULL,
    device_id VARCHAR(255) NOT NULL DEFAULT '', device_owner VARCHAR(255) NOT NULL DEFAULT '',
    port_security_enabled BOOLEAN NOT NULL, allowed_address_pairs TEXT NOT NULL DEFAULT '[]', extra_dhcp_opts TEXT NOT NULL DEFAULT '[]',
    binding_host_id VARCHAR(255) NOT NULL DEFAULT '', binding_vnic_type VARCHAR(64) NOT NULL DEFAULT 'normal', binding_profile TEXT NOT NULL DEFAULT '{}',
    instance_owned BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'made for an instance and deleted with it',
    instance_position INT UNSIGNED NULL COMMENT 'order of the cards of an instance',
    UNIQUE KEY ports_mac (network_id, mac_address), UNIQUE KEY ports_instance (device_id, instance_position), KEY ports_project (project_id), KEY ports_device (device_id(64)),
    CONSTRAINT ports_network FOREIGN KEY (network_id) REFERENCES networks (id)
  ) ${ENGINE}`,
  `CREATE TABLE ip_allocations (
    subnet_id CHAR(36) NOT NULL,
    address_key CHAR(32) CHARACTER SET ascii NOT NULL COMMENT 'the address as 32 hexadecimal digits: sorts as addresses do',
    address VARCHAR(45) NOT NULL, port_id CHAR(36) NOT NULL, network_id CHAR(36) NOT NULL, position INT UNSIGNED NOT NULL,
    PRIMARY KEY (subnet_id, address_key), KEY ip_allocations_port (port_id), KEY ip_allocations_address (network_id, address),
    CONSTRAINT ip_allocations_subnet FOREIGN KEY (subnet_id) REFERENCES subnets (id),
    CONSTRAINT ip_allocations_of_port FOREIGN KEY (port_id) REFERENCES ports (id) ON DELETE CASCADE
  ) ${ENGINE}`,
  `CREATE TABLE quotas (
    project_id VARCHAR(64) NOT NULL, resource VARCHAR(64) NOT NULL, amount INT NOT NULL,
    PRIMARY KEY (project_id, resource)
  ) ${ENGINE}`,
  `CREATE TABLE quota_locks (
    project_id VARCHAR(64) NOT NULL, resource VARCHAR(64) NOT NULL,
    PRIMARY KEY (project_id, resource)
  ) ${ENGINE} COMMENT 'locked while a resource of the project is counted and made'`,
  `CREATE TABLE ovn_sync (
    seq BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(32) NOT NULL, resource_id VARCHAR(64) NOT NULL,
    created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    KEY ovn_sync_resource (resource_id)
  ) ${ENGINE} COMMENT 'resources whose northbound rows must be written again'`,
]);
