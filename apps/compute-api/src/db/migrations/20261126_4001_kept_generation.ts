import { sqlMigration } from '@virga/db';

/** Which migrations have left a guest's memory on two hosts, and until when neither may lose what it has. */
export const keptGeneration = sqlMigration(['ALTER TABLE migrations ADD COLUMN kept_generation INT NULL, ADD KEY migrations_kept (instance_id, kept_generation)']);
