import { sqlMigration } from '@virga/db';

/** Hosts that are emptied or filled again, and what has become of each of their instances. */
export const drains = sqlMigration([
  `CREATE TABLE host_drains (
    host_id CHAR(36) NOT NULL PRIMARY KEY,
    state VARCHAR(12) NOT NULL,
    actor_json TEXT NOT NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  `CREATE TABLE drained_instances (
    host_id CHAR(36) NOT NULL,
    instance_id CHAR(36) NOT NULL,
    state VARCHAR(12) NOT NULL,
    tries INT NOT NULL DEFAULT 0,
    operation_id CHAR(36) NULL,
    message VARCHAR(500) NULL,
    updated_at DATETIME(3) NOT NULL,
    PRIMARY KEY (host_id, instance_id)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
]);
