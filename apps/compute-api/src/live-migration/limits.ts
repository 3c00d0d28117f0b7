import type { MigrationLimits } from '@virga/contracts';

/** Where the operator says nothing else. */
export const DEFAULT_MIGRATION_LIMITS: MigrationLimits = { maxDowntimeMs: 500, deadlineMs: 1_800_000, postCopy: true };
