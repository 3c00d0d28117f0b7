import { sqlMigration } from '@virga/db';

/** What compute reads for its server lists: only ports that were given to the instance, whatever device id a user writes. */
export const serverAddresses = sqlMigration([
  `CREATE OR REPLACE SQL SECURITY DEFINER VIEW server_addresses AS
    SELECT p.device_id AS instance_id, p.id AS port_id, n.name AS network_name, p.mac_address AS mac_addr, a.address AS address,
      CAST(s.ip_version AS SIGNED) AS version, 'fixed' AS type, CAST(p.instance_position AS SIGNED) AS port_position, CAST(a.position AS SIGNED) AS address_position
    FROM ports p JOIN networks n ON n.id = p.network_id JOIN ip_allocations a ON a.port_id = p.id JOIN subnets s ON s.id = a.subnet_id
    WHERE p.instance_position IS NOT NULL
    UNION ALL
    SELECT p.device_id, p.id, n.name, p.mac_address, f.floating_ip_address, CAST(4 AS SIGNED), 'floating', CAST(p.instance_position AS SIGNED), CAST(1000 AS SIGNED)
    FROM floatingips f JOIN ports p ON p.id = f.port_id JOIN networks n ON n.id = p.network_id
    WHERE p.instance_position IS NOT NULL`,
]);
