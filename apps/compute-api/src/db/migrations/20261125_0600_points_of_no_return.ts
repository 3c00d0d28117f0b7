import { sqlMigration } from '@virga/db';

/** Whether an operation has passed the point after which it can no longer be cancelled or undone. */
export const pointsOfNoReturn = sqlMigration(['ALTER TABLE operations ADD COLUMN no_return TINYINT NOT NULL DEFAULT 0 AFTER cancel_requested']);
