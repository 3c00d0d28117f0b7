import { sqlMigration } from '@virga/db';

const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Host aggregates. The zone of a host follows from them and is kept on the host, where the scheduler and servers read it. */
export const aggregates = sqlMigration([
  `CREATE TABLE aggregates (
    id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    uuid CHAR(36) NOT NULL,
    name VARCHAR(255) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NULL,
    UNIQUE KEY aggregates_uuid (uuid),
    UNIQUE KEY aggregates_name (name)
  ) ${TABLE}`,
  `CREATE TABLE aggregate_hosts (
    aggregate_id INT UNSIGNED NOT NULL,
    host_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (aggregate_id, host_id),
    KEY aggregate_hosts_host (host_id),
    CONSTRAINT aggregate_hosts_aggregate FOREIGN KEY (aggregate_id) REFERENCES aggregates (id),
    CONSTRAINT aggregate_hosts_host FOREIGN KEY (host_id) REFERENCES hosts (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE aggregate_metadata (
    aggregate_id INT UNSIGNED NOT NULL,
    name VARCHAR(255) NOT NULL,
    value VARCHAR(255) NOT NULL,
    PRIMARY KEY (aggregate_id, name),
    KEY aggregate_metadata_name (name),
    CONSTRAINT aggregate_metadata_aggregate FOREIGN KEY (aggregate_id) REFERENCES aggregates (id) ON DELETE CASCADE
  ) ${TABLE}`,
]);
