/** Ways in which an instance changes its host or its size; nova's words. */
export const MIGRATION_TYPES = ['migration', 'resize', 'live-migration', 'evacuation'] as const;
export type MigrationType = (typeof MIGRATION_TYPES)[number];

/**
 * Where a migration stands, in nova's words. A live migration goes queued, preparing, running, perhaps `running (post-copy)`,
 * then completed, cancelled, error or failed; a cold one or a resize pre-migrating, migrating, post-migrating, finished,
 * then confirming and confirmed or reverting and reverted; an evacuation accepted, done.
 */
export const MIGRATION_STATUSES = [
  'accepted', 'queued', 'preparing', 'running', 'running (post-copy)', 'completed', 'cancelled', 'error', 'failed',
  'pre-migrating', 'migrating', 'post-migrating', 'finished', 'confirming', 'confirmed', 'reverting', 'reverted', 'done',
] as const;
export type MigrationStatus = (typeof MIGRATION_STATUSES)[number];

/** From these nothing leads on. */
export const ENDED_MIGRATION_STATUSES: readonly MigrationStatus[] = ['completed', 'cancelled', 'error', 'failed', 'confirmed', 'reverted', 'done'];

/** Of a cold move that has not ended at its destination yet. */
export const COLD_MIGRATION_IN_PROGRESS: readonly MigrationStatus[] = ['pre-migrating', 'migrating', 'post-migrating'];

/** Of a live migration that can be looked at by /servers/{id}/migrations/{id}. */
export const LIVE_MIGRATION_IN_PROGRESS: readonly MigrationStatus[] = ['queued', 'preparing', 'running', 'running (post-copy)', 'post-migrating'];
