import { OUTBOX_TABLE_SQL, sqlMigration } from '@virga/db';

/** Names compare by code point, so that two emoji differ. */
const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

export const identityTables = sqlMigration([
  `CREATE TABLE domains (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(64) NOT NULL,
    description TEXT NULL,
    enabled TINYINT(1) NOT NULL DEFAULT 1,
    tags MEDIUMTEXT NOT NULL,
    options MEDIUMTEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL,
    UNIQUE KEY domains_name (name)
  ) ${TABLE}`,
  `CREATE TABLE projects (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    domain_id VARCHAR(64) NOT NULL,
    parent_id VARCHAR(64) NULL,
    name VARCHAR(64) NOT NULL,
    description TEXT NULL,
    enabled TINYINT(1) NOT NULL DEFAULT 1,
    options MEDIUMTEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL,
    UNIQUE KEY projects_name (domain_id, name),
    KEY projects_parent (parent_id),
    CONSTRAINT projects_domain_fk FOREIGN KEY (domain_id) REFERENCES domains (id),
    CONSTRAINT projects_parent_fk FOREIGN KEY (parent_id) REFERENCES projects (id)
  ) ${TABLE}`,
  `CREATE TABLE project_tags (
    project_id VARCHAR(64) NOT NULL,
    tag VARCHAR(255) NOT NULL,
    PRIMARY KEY (project_id, tag),
    KEY project_tags_tag (tag),
    CONSTRAINT project_tags_fk FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE users (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    domain_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    password_hash VARCHAR(255) NULL,
    enabled TINYINT(1) NOT NULL DEFAULT 1,
    default_project_id VARCHAR(64) NULL,
    options MEDIUMTEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL,
    UNIQUE KEY users_name (domain_id, name),
    KEY users_default_project (default_project_id),
    CONSTRAINT users_domain_fk FOREIGN KEY (domain_id) REFERENCES domains (id)
  ) ${TABLE}`,
  `CREATE TABLE \`groups\` (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    domain_id VARCHAR(64) NOT NULL,
    name VARCHAR(64) NOT NULL,
    description TEXT NULL,
    extra MEDIUMTEXT NOT NULL,
    UNIQUE KEY groups_name (domain_id, name),
    CONSTRAINT groups_domain_fk FOREIGN KEY (domain_id) REFERENCES domains (id)
  ) ${TABLE}`,
  `CREATE TABLE group_members (
    group_id VARCHAR(64) NOT NULL,
    user_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (user_id, group_id),
    KEY group_members_group (group_id),
    CONSTRAINT group_members_group_fk FOREIGN KEY (group_id) REFERENCES \`groups\` (id) ON DELETE CASCADE,
    CONSTRAINT group_members_user_fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE roles (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    domain_id VARCHAR(64) NOT NULL DEFAULT '',
    description TEXT NULL,
    options MEDIUMTEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL,
    UNIQUE KEY roles_name (domain_id, name)
  ) ${TABLE}`,
  `CREATE TABLE implied_roles (
    prior_role_id VARCHAR(64) NOT NULL,
    implied_role_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (prior_role_id, implied_role_id),
    KEY implied_roles_implied (implied_role_id),
    CONSTRAINT implied_roles_prior_fk FOREIGN KEY (prior_role_id) REFERENCES roles (id) ON DELETE CASCADE,
    CONSTRAINT implied_roles_implied_fk FOREIGN KEY (implied_role_id) REFERENCES roles (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE role_assignments (
    target_type VARCHAR(8) NOT NULL,
    target_id VARCHAR(64) NOT NULL,
    actor_type VARCHAR(8) NOT NULL,
    actor_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL,
    inherited TINYINT(1) NOT NULL DEFAULT 0,
    PRIMARY KEY (actor_type, actor_id, target_type, target_id, role_id, inherited),
    KEY role_assignments_target (target_type, target_id),
    KEY role_assignments_role (role_id),
    CONSTRAINT role_assignments_role_fk FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE regions (
    id VARCHAR(255) NOT NULL PRIMARY KEY,
    description TEXT NOT NULL,
    parent_region_id VARCHAR(255) NULL,
    extra MEDIUMTEXT NOT NULL,
    CONSTRAINT regions_parent_fk FOREIGN KEY (parent_region_id) REFERENCES regions (id)
  ) ${TABLE}`,
  `CREATE TABLE services (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    type VARCHAR(255) NOT NULL,
    name VARCHAR(255) NULL,
    description TEXT NULL,
    enabled TINYINT(1) NOT NULL DEFAULT 1,
    extra MEDIUMTEXT NOT NULL,
    KEY services_type (type)
  ) ${TABLE}`,
  `CREATE TABLE endpoints (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    service_id VARCHAR(64) NOT NULL,
    region_id VARCHAR(255) NULL,
    interface VARCHAR(8) NOT NULL,
    url TEXT NOT NULL,
    enabled TINYINT(1) NOT NULL DEFAULT 1,
    extra MEDIUMTEXT NOT NULL,
    CONSTRAINT endpoints_service_fk FOREIGN KEY (service_id) REFERENCES services (id) ON DELETE CASCADE,
    CONSTRAINT endpoints_region_fk FOREIGN KEY (region_id) REFERENCES regions (id)
  ) ${TABLE}`,
  `CREATE TABLE application_credentials (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    description TEXT NULL,
    secret_hash VARCHAR(255) NOT NULL,
    expires_at BIGINT NULL,
    unrestricted TINYINT(1) NOT NULL DEFAULT 0,
    UNIQUE KEY application_credentials_name (user_id, name),
    CONSTRAINT application_credentials_user_fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT application_credentials_project_fk FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE application_credential_roles (
    application_credential_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (application_credential_id, role_id),
    CONSTRAINT application_credential_roles_fk FOREIGN KEY (application_credential_id) REFERENCES application_credentials (id) ON DELETE CASCADE,
    CONSTRAINT application_credential_roles_role_fk FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE signing_keys (
    kid VARCHAR(64) NOT NULL PRIMARY KEY,
    public_pem TEXT NOT NULL,
    private_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT NULL
  ) ${TABLE}`,
  `CREATE TABLE revocations (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    audit_id VARCHAR(64) NULL,
    user_id VARCHAR(64) NULL,
    project_id VARCHAR(64) NULL,
    domain_id VARCHAR(64) NULL,
    issued_before BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    KEY revocations_expires (expires_at)
  ) ${TABLE}`,
  OUTBOX_TABLE_SQL,
]);
