import { sqlMigration } from '@virga/db';

const ENGINE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Who may use what of others', address scopes and the pools that subnets are cut from. */
export const sharingAndPools = sqlMigration([
  `CREATE TABLE rbac_policies (
    id CHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(64) NOT NULL, object_type VARCHAR(32) NOT NULL, object_id CHAR(36) NOT NULL, action VARCHAR(32) NOT NULL,
    target_project VARCHAR(64) NOT NULL COMMENT 'a project, or * for all',
    UNIQUE KEY rbac_policies_grant (object_type, object_id, action, target_project), KEY rbac_policies_project (project_id), KEY rbac_policies_target (object_type, target_project, action)
  ) ${ENGINE}`,
  `INSERT INTO rbac_policies (id, project_id, object_type, object_id, action, target_project)
    SELECT UUID(), project_id, 'network', id, 'access_as_shared', '*' FROM networks WHERE shared`,
  `INSERT INTO rbac_policies (id, project_id, object_type, object_id, action, target_project)
    SELECT UUID(), project_id, 'network', id, 'access_as_external', '*' FROM networks WHERE external`,
  `CREATE TABLE address_scopes (
    id CHAR(36) NOT NULL PRIMARY KEY, project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL DEFAULT '', ip_version TINYINT UNSIGNED NOT NULL,
    KEY address_scopes_project (project_id)
  ) ${ENGINE}`,
  `CREATE TABLE subnetpools (
    id CHAR(36) NOT NULL PRIMARY KEY,
    project_id VARCHAR(64) NOT NULL, name VARCHAR(255) NOT NULL DEFAULT '', description VARCHAR(255) NOT NULL DEFAULT '',
    tags TEXT NOT NULL DEFAULT '[]', revision_number INT UNSIGNED NOT NULL DEFAULT 0,
    created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3), updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    ip_version TINYINT UNSIGNED NOT NULL, prefixes TEXT NOT NULL,
    min_prefixlen TINYINT UNSIGNED NOT NULL, max_prefixlen TINYINT UNSIGNED NOT NULL, default_prefixlen TINYINT UNSIGNED NOT NULL,
    default_quota INT NULL COMMENT 'what one project may take: addresses of IPv4, /64 of IPv6', address_scope_id CHAR(36) NULL, is_default BOOLEAN NOT NULL DEFAULT FALSE,
    default_of TINYINT UNSIGNED AS (IF(is_default, ip_version, NULL)) PERSISTENT,
    UNIQUE KEY subnetpools_default (default_of), KEY subnetpools_project (project_id),
    CONSTRAINT subnetpools_scope FOREIGN KEY (address_scope_id) REFERENCES address_scopes (id)
  ) ${ENGINE}`,
  `ALTER TABLE subnets ADD COLUMN subnetpool_id CHAR(36) NULL, ADD CONSTRAINT subnets_pool FOREIGN KEY (subnetpool_id) REFERENCES subnetpools (id)`,
  `ALTER TABLE routers ADD COLUMN distributed BOOLEAN NOT NULL DEFAULT FALSE COMMENT 'floating IPs are translated on the host of their port',
    ADD COLUMN ha BOOLEAN NOT NULL DEFAULT TRUE COMMENT 'several hosts stand by for the gateway'`,
]);
