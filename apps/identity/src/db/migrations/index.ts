import type { Migrations } from '@virga/db';
import { identityTables } from './20261120-0001-identity';
import { delegationTables } from './20261125-0601-delegation';
import { pkiTables } from './20261126-6001-pki';

export const migrations: Migrations = {
  '20261120_0001_identity': identityTables,
  '20261125_0601_delegation': delegationTables,
  '20261126_6001_pki': pkiTables,
};
