import { sqlMigration } from '@virga/db';

/** Where a port's instance is on its way to, while it moves. */
export const portMoves = sqlMigration(["ALTER TABLE ports ADD COLUMN binding_next_host_id VARCHAR(255) NOT NULL DEFAULT ''"]);
