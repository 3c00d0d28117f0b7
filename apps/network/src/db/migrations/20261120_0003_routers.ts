import { sqlMigration } from '@virga/db';

const STANDARD = `
  project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL DEFAULT '', description VARCHAR(255) NOT NULL DEFAULT '',
  tags TEXT NOT NULL DEFAULT '[]', revision_number INT UNSIGNED NOT NULL DEFAULT 0,
  created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)`;
const ENGINE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

export const routers = sqlMigration([
  `CREATE TABLE routers (
    id CHAR(36) NOT NULL PRIMARY KEY, ${STANDARD},
    admin_state_up BOOLEAN NOT NULL, status VARCHAR(16) NOT NULL DEFAULT 'ACTIVE',
    gateway_port_id CHAR(36) NULL, enable_snat BOOLEAN NOT NULL DEFAULT TRUE, routes TEXT NOT NULL DEFAULT '[]',
    availability_zone_hints TEXT NOT NULL DEFAULT '[]',
    KEY routers_project (project_id),
    CONSTRAINT routers_gateway FOREIGN KEY (gateway_port_id) REFERENCES ports (id)
  ) ${ENGINE}`,
  `CREATE TABLE router_interfaces (
    router_id CHAR(36) NOT NULL, port_id CHAR(36) NOT NULL PRIMARY KEY,
    KEY router_interfaces_router (router_id),
    CONSTRAINT router_interfaces_of_router FOREIGN KEY (router_id) REFERENCES routers (id),
    CONSTRAINT router_interfaces_port FOREIGN KEY (port_id) REFERENCES ports (id) ON DELETE CASCADE
  ) ${ENGINE}`,
  `CREATE TABLE floatingips (
    id CHAR(36) NOT NULL PRIMARY KEY, ${STANDARD},
    floating_network_id CHAR(36) NOT NULL, floating_ip_address VARCHAR(45) NOT NULL, floating_port_id CHAR(36) NOT NULL,
    port_id CHAR(36) NULL, fixed_ip_address VARCHAR(45) NULL, router_id CHAR(36) NULL, status VARCHAR(16) NOT NULL,
    UNIQUE KEY floatingips_target (floating_network_id, port_id, fixed_ip_address), KEY floatingips_project (project_id), KEY floatingips_router (router_id),
    CONSTRAINT floatingips_network FOREIGN KEY (floating_network_id) REFERENCES networks (id),
    CONSTRAINT floatingips_floating_port FOREIGN KEY (floating_port_id) REFERENCES ports (id),
    CONSTRAINT floatingips_port FOREIGN KEY (port_id) REFERENCES ports (id),
    CONSTRAINT floatingips_router FOREIGN KEY (router_id) REFERENCES routers (id)
  ) ${ENGINE}`,
  // What compute reads for its server lists.
  `CREATE OR REPLACE SQL SECURITY DEFINER VIEW server_addresses AS
    SELECT p.device_id AS instance_id, p.id AS port_id, n.name AS network_name, p.mac_address AS mac_addr, a.address AS address,
      CAST(s.ip_version AS SIGNED) AS version, 'fixed' AS type, CAST(p.instance_position AS SIGNED) AS port_position, CAST(a.position AS SIGNED) AS address_position
    FROM ports p JOIN networks n ON n.id = p.network_id JOIN ip_allocations a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    WHERE p.device_owner LIKE 'compute:%'
    UNION ALL
    SELECT p.device_id, p.id, n.name, p.mac_address, f.floating_ip_address, CAST(4 AS SIGNED), 'floating', CAST(p.instance_position AS SIGNED), CAST(1000 AS SIGNED)
    FROM floatingips f JOIN ports p ON p.id = f.port_id JOIN networks n ON n.id = p.network_id
    WHERE p.device_owner LIKE 'compute:%'`,
]);
