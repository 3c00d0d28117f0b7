import { sqlMigration } from '@virga/db';

const ENGINE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

export const securityGroups = sqlMigration([
  `CREATE TABLE security_groups (
    id CHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL DEFAULT '', description VARCHAR(255) NOT NULL DEFAULT '',
    stateful BOOLEAN NOT NULL DEFAULT TRUE,
    default_of VARCHAR(64) NULL COMMENT 'the project whose default group this is',
    tags TEXT NOT NULL DEFAULT '[]', revision_number INT UNSIGNED NOT NULL DEFAULT 0,
    created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    UNIQUE KEY security_groups_default (default_of), KEY security_groups_project (project_id)
  ) ${ENGINE}`,
  `CREATE TABLE security_group_rules (
    id CHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(64) NOT NULL, security_group_id CHAR(36) NOT NULL, description VARCHAR(255) NULL,
    direction VARCHAR(8) NOT NULL, ethertype VARCHAR(8) NOT NULL, protocol VARCHAR(40) NULL,
    port_range_min INT NULL, port_range_max INT NULL, remote_ip_prefix VARCHAR(64) NULL, normalized_cidr VARCHAR(64) NULL, remote_group_id CHAR(36) NULL,
    fingerprint VARCHAR(255) NOT NULL COMMENT 'what the rule lets pass: no group has it twice',
    tags TEXT NOT NULL DEFAULT '[]', revision_number INT UNSIGNED NOT NULL DEFAULT 0,
    created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    UNIQUE KEY security_group_rules_fingerprint (security_group_id, fingerprint), KEY security_group_rules_project (project_id),
    CONSTRAINT security_group_rules_group FOREIGN KEY (security_group_id) REFERENCES security_groups (id) ON DELETE CASCADE,
    CONSTRAINT security_group_rules_remote FOREIGN KEY (remote_group_id) REFERENCES security_groups (id) ON DELETE CASCADE
  ) ${ENGINE}`,
  `CREATE TABLE port_security_groups (
    port_id CHAR(36) NOT NULL, security_group_id CHAR(36) NOT NULL,
    PRIMARY KEY (port_id, security_group_id), KEY port_security_groups_group (security_group_id),
    CONSTRAINT port_security_groups_port FOREIGN KEY (port_id) REFERENCES ports (id) ON DELETE CASCADE,
    CONSTRAINT port_security_groups_group FOREIGN KEY (security_group_id) REFERENCES security_groups (id)
  ) ${ENGINE}`,
]);
