import { sqlMigration, type Migrations } from '@virga/db';
import { metadefsTables } from './metadefs-migration';

export const migrations: Migrations = {
  '20261120_0001_images': sqlMigration([
    `CREATE TABLE images (
      id CHAR(36) NOT NULL PRIMARY KEY,
      name VARCHAR(255) NULL,
      owner VARCHAR(64) NULL,
      status VARCHAR(16) NOT NULL,
      visibility VARCHAR(16) NOT NULL,
      disk_format VARCHAR(20) NULL,
      container_format VARCHAR(20) NULL,
      size BIGINT NULL,
      virtual_size BIGINT NULL,
      checksum CHAR(32) NULL,
      os_hash_value CHAR(128) NULL,
      min_disk INT NOT NULL DEFAULT 0,
      min_ram INT NOT NULL DEFAULT 0,
      protected TINYINT NOT NULL DEFAULT 0,
      os_hidden TINYINT NOT NULL DEFAULT 0,
      properties JSON NOT NULL,
      tags JSON NOT NULL,
      upload_token CHAR(36) NULL,
      upload_lease DATETIME(3) NULL,
      created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      KEY images_owner (owner),
      KEY images_visibility (visibility, created_at),
      KEY images_created (created_at)
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
    `CREATE TABLE image_members (
      image_id CHAR(36) NOT NULL,
      member VARCHAR(64) NOT NULL,
      status VARCHAR(16) NOT NULL,
      created_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      updated_at DATETIME(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
      PRIMARY KEY (image_id, member),
      KEY members_member (member),
      CONSTRAINT members_image FOREIGN KEY (image_id) REFERENCES images (id) ON DELETE CASCADE
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
  ]),
  '20261125_0602_metadefs': metadefsTables,
};
