import { sqlMigration } from '@virga/db';

export const serverGroups = sqlMigration([
  `CREATE TABLE server_groups (
    num INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
    id CHAR(36) NOT NULL,
    name VARCHAR(255) NOT NULL,
    policy VARCHAR(32) NOT NULL,
    max_per_host INT NULL,
    project_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    UNIQUE KEY server_groups_id (id),
    KEY server_groups_project (project_id, num)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  `CREATE TABLE server_group_members (
    group_id CHAR(36) NOT NULL,
    instance_id CHAR(36) NOT NULL PRIMARY KEY,
    KEY server_group_members_group (group_id)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
]);
