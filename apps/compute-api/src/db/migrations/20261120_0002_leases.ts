import { sqlMigration } from '@virga/db';

/** Work that only one conductor does at a time. */
export const leases = sqlMigration([
  `CREATE TABLE leases (
    name VARCHAR(64) NOT NULL PRIMARY KEY,
    owner CHAR(36) NOT NULL,
    lease_until DATETIME(3) NOT NULL
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
]);
