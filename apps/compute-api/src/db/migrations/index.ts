import type { Migrations } from '@virga/db';
import { first } from './20261120_0001_first';
import { leases } from './20261120_0002_leases';
import { migrations } from './20261125_0001_migrations';
import { aggregates } from './20261125_0200_aggregates';
import { pointsOfNoReturn } from './20261125_0600_points_of_no_return';
import { consoleTokens } from './20261125_0700_console_tokens';
import { keptGeneration } from './20261126_4001_kept_generation';
import { drains } from './20261126_4002_drains';
import { resize } from './20261126_5001_resize';
import { serverGroups } from './20261126_5002_server_groups';
import { bootImages } from './20261126_6001_boot_images';
import { plannedSteps } from './20261126_7001_planned_steps';

export const computeMigrations: Migrations = {
  '20261120_0001_first': first,
  '20261120_0002_leases': leases,
  '20261125_0001_migrations': migrations,
  '20261125_0200_aggregates': aggregates,
  '20261125_0600_points_of_no_return': pointsOfNoReturn,
  '20261125_0700_console_tokens': consoleTokens,
  '20261126_4001_kept_generation': keptGeneration,
  '20261126_4002_drains': drains,
  '20261126_5001_resize': resize,
  '20261126_5002_server_groups': serverGroups,
  '20261126_6001_boot_images': bootImages,
  '20261126_7001_planned_steps': plannedSteps,
};
