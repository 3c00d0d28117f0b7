import { sqlMigration } from '@virga/db';

/** What an instance is before and after its size changes, and what of its project's quota is kept for the way back, or on. */
export const resize = sqlMigration([
  'ALTER TABLE instances ADD COLUMN held_cores INT NOT NULL DEFAULT 0, ADD COLUMN held_ram INT NOT NULL DEFAULT 0',
  `ALTER TABLE migrations ADD COLUMN old_flavor_json MEDIUMTEXT NULL, ADD COLUMN new_flavor_json MEDIUMTEXT NULL, ADD COLUMN old_vm_state VARCHAR(32) NULL`,
]);
