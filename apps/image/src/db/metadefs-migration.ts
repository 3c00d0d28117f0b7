import { sqlMigration } from '@virga/db';

const TABLE = 'ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin';

/** Definitions of metadata; objects, properties, tags and associations differ in their body only. */
export const metadefsTables = sqlMigration([
  `CREATE TABLE metadef_namespaces (
    namespace VARCHAR(80) NOT NULL PRIMARY KEY,
    display_name VARCHAR(80) NULL,
    description TEXT NULL,
    visibility VARCHAR(16) NOT NULL,
    protected TINYINT NOT NULL DEFAULT 0,
    owner VARCHAR(255) NOT NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL
  ) ${TABLE}`,
  `CREATE TABLE metadef_items (
    namespace VARCHAR(80) NOT NULL,
    kind VARCHAR(16) NOT NULL,
    name VARCHAR(80) NOT NULL,
    body MEDIUMTEXT NOT NULL,
    created_at DATETIME(3) NOT NULL,
    updated_at DATETIME(3) NOT NULL,
    PRIMARY KEY (namespace, kind, name),
    CONSTRAINT metadef_items_fk FOREIGN KEY (namespace) REFERENCES metadef_namespaces (namespace) ON DELETE CASCADE ON UPDATE CASCADE
  ) ${TABLE}`,
]);
