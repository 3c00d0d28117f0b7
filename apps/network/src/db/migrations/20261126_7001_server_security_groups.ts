import { sqlMigration } from '@virga/db';

/** What compute reads for its servers: a row for each group on each port. Without DISTINCT, so that a condition on the instance reaches the index. */
export const serverSecurityGroups = sqlMigration([
  `CREATE OR REPLACE SQL SECURITY DEFINER VIEW server_security_groups AS
    SELECT p.device_id AS instance_id, g.name AS name
    FROM ports p JOIN port_security_groups m ON m.port_id = p.id JOIN security_groups g ON g.id = m.security_group_id
    WHERE p.instance_position IS NOT NULL`,
]);
