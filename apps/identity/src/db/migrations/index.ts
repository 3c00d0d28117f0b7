import type { Migrations } from '@virga/db';
import { identityTables } from './20261120-0001-identity';

export const migrations: Migrations = {
  '20261120_0001_identity': identityTables,
};
