import { sqlMigration } from '@virga/db';

/** Tokens of consoles; one that was used is a session from then on. */
export const consoleTokens = sqlMigration([
  `CREATE TABLE console_auth_tokens (
    id CHAR(36) NOT NULL PRIMARY KEY,
    token_hash CHAR(64) NOT NULL,
    protocol VARCHAR(8) NOT NULL,
    console_type VARCHAR(16) NOT NULL,
    instance_id CHAR(36) NOT NULL,
    project_id VARCHAR(64) NULL,
    user_id VARCHAR(64) NOT NULL,
    holder_json TEXT NOT NULL,
    created_at DATETIME(3) NOT NULL,
    expires_at DATETIME(3) NOT NULL,
    page_hash CHAR(64) NULL,
    attempt_id VARCHAR(64) NULL,
    host_id VARCHAR(64) NULL,
    opened_at DATETIME(3) NULL,
    seen_at DATETIME(3) NULL,
    ends_at DATETIME(3) NULL,
    forget_at DATETIME(3) NOT NULL,
    UNIQUE KEY console_auth_tokens_token (token_hash),
    UNIQUE KEY console_auth_tokens_page (page_hash),
    KEY console_auth_tokens_instance (instance_id),
    KEY console_auth_tokens_forget (forget_at)
  ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
]);
