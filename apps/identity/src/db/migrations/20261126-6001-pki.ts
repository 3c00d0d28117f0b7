import { sqlMigration } from '@virga/db';

const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Certificates of the classic token format, and by what hash a revoked token is told to those that verify offline. */
export const pkiTables = sqlMigration([
  `CREATE TABLE pki_certificates (
    serial VARCHAR(64) NOT NULL PRIMARY KEY,
    role VARCHAR(16) NOT NULL,
    certificate_pem TEXT NOT NULL,
    private_sealed TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT NULL
  ) ${TABLE}`,
  'ALTER TABLE revocations ADD COLUMN token_sha256 CHAR(64) NULL',
]);
