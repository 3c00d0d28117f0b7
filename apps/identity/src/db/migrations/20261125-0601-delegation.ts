import { sqlMigration } from '@virga/db';

const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Trusts, access rules, credentials, policy documents, endpoint filters, domain configuration, OAuth consumers. */
export const delegationTables = sqlMigration([
  `CREATE TABLE trusts (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    trustor_user_id VARCHAR(64) NOT NULL,
    trustee_user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NULL,
    impersonation TINYINT(1) NOT NULL,
    expires_at BIGINT NULL,
    remaining_uses INT NULL,
    extra MEDIUMTEXT NOT NULL,
    KEY trusts_trustor (trustor_user_id),
    KEY trusts_trustee (trustee_user_id),
    CONSTRAINT trusts_trustor_fk FOREIGN KEY (trustor_user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT trusts_trustee_fk FOREIGN KEY (trustee_user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT trusts_project_fk FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE trust_roles (
    trust_id VARCHAR(64) NOT NULL,
    role_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (trust_id, role_id),
    CONSTRAINT trust_roles_fk FOREIGN KEY (trust_id) REFERENCES trusts (id) ON DELETE CASCADE,
    CONSTRAINT trust_roles_role_fk FOREIGN KEY (role_id) REFERENCES roles (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE access_rules (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL,
    service VARCHAR(64) NOT NULL,
    method VARCHAR(16) NOT NULL,
    path VARCHAR(128) NOT NULL,
    UNIQUE KEY access_rules_rule (user_id, service, method, path),
    CONSTRAINT access_rules_user_fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE application_credential_access_rules (
    application_credential_id VARCHAR(64) NOT NULL,
    access_rule_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (application_credential_id, access_rule_id),
    CONSTRAINT application_credential_access_rules_fk FOREIGN KEY (application_credential_id) REFERENCES application_credentials (id) ON DELETE CASCADE,
    CONSTRAINT application_credential_access_rules_rule_fk FOREIGN KEY (access_rule_id) REFERENCES access_rules (id)
  ) ${TABLE}`,
  `CREATE TABLE credentials (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    user_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NULL,
    type VARCHAR(255) NOT NULL,
    blob_sealed MEDIUMTEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL,
    KEY credentials_user (user_id, type),
    CONSTRAINT credentials_user_fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT credentials_project_fk FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE policy_documents (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    type VARCHAR(255) NOT NULL,
    document MEDIUMTEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL
  ) ${TABLE}`,
  `CREATE TABLE endpoint_groups (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    description TEXT NULL,
    filters TEXT NOT NULL
  ) ${TABLE}`,
  `CREATE TABLE project_endpoint_groups (
    endpoint_group_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (endpoint_group_id, project_id),
    CONSTRAINT project_endpoint_groups_fk FOREIGN KEY (endpoint_group_id) REFERENCES endpoint_groups (id) ON DELETE CASCADE,
    CONSTRAINT project_endpoint_groups_project_fk FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE project_endpoints (
    endpoint_id VARCHAR(64) NOT NULL,
    project_id VARCHAR(64) NOT NULL,
    PRIMARY KEY (endpoint_id, project_id),
    CONSTRAINT project_endpoints_fk FOREIGN KEY (endpoint_id) REFERENCES endpoints (id) ON DELETE CASCADE,
    CONSTRAINT project_endpoints_project_fk FOREIGN KEY (project_id) REFERENCES projects (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE domain_config (
    domain_id VARCHAR(64) NOT NULL,
    option_group VARCHAR(64) NOT NULL,
    option_name VARCHAR(64) NOT NULL,
    value_sealed MEDIUMTEXT NOT NULL,
    PRIMARY KEY (domain_id, option_group, option_name),
    CONSTRAINT domain_config_fk FOREIGN KEY (domain_id) REFERENCES domains (id) ON DELETE CASCADE
  ) ${TABLE}`,
  `CREATE TABLE oauth_consumers (
    id VARCHAR(64) NOT NULL PRIMARY KEY,
    description TEXT NULL,
    secret_sealed TEXT NOT NULL,
    extra MEDIUMTEXT NOT NULL
  ) ${TABLE}`,
]);
