import { sqlMigration } from '@virga/db';

export const hostsAndAllocations = sqlMigration([
  `CREATE TABLE hosts (
    id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    hostname VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
    availability_zone VARCHAR(255) COLLATE utf8mb4_bin NOT NULL,
    enabled TINYINT NOT NULL,
    traits MEDIUMTEXT NOT NULL,
    inventory_vcpus INT NOT NULL,
    inventory_memory_mb INT NOT NULL,
    inventory_disk_gb INT NOT NULL,
    capacity_vcpus INT NOT NULL,
    capacity_memory_mb INT NOT NULL,
    capacity_disk_gb INT NOT NULL,
    used_vcpus INT NOT NULL DEFAULT 0 CHECK (used_vcpus >= 0),
    used_memory_mb INT NOT NULL DEFAULT 0 CHECK (used_memory_mb >= 0),
    used_disk_gb INT NOT NULL DEFAULT 0 CHECK (used_disk_gb >= 0),
    lease_until DATETIME(3) NOT NULL
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
  `CREATE TABLE allocations (
    consumer_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
    host_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    project_id VARCHAR(64) COLLATE utf8mb4_bin NOT NULL,
    vcpus INT NOT NULL,
    memory_mb INT NOT NULL,
    disk_gb INT NOT NULL,
    created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    KEY allocations_host (host_id),
    CONSTRAINT allocations_host_fk FOREIGN KEY (host_id) REFERENCES hosts (id)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4`,
]);
