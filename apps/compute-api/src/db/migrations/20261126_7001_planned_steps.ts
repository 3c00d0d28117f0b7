import { sqlMigration } from '@virga/db';

/** The steps that an operation has before it stand in its trace before they begin. */
export const plannedSteps = sqlMigration([
  'ALTER TABLE operation_steps MODIFY started_at DATETIME(3) NULL, MODIFY deadline DATETIME(3) NULL',
]);
