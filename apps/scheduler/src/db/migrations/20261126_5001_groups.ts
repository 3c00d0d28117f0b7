import { sqlMigration } from '@virga/db';

/** Claims say of which server group their consumer is a member; a group's row is the lock under which its members claim. */
export const groups = sqlMigration([
  'ALTER TABLE allocations ADD COLUMN group_id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NULL, ADD KEY allocations_group (group_id, host_id)',
  'CREATE TABLE claim_groups (id VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4',
]);
