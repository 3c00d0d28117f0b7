import type { Migrations } from '@virga/db';
import { first } from './20261120_0001_first';
import { securityGroups } from './20261120_0002_security_groups';
import { serverAddresses } from './20261120_0004_server_addresses';
import { portMoves } from './20261125_0101_port_moves';
import { routers } from './20261120_0003_routers';
import { sharingAndPools } from './20261125_0601_sharing_and_pools';
import { serverSecurityGroups } from './20261126_7001_server_security_groups';

export const migrations: Migrations = {
  '20261120_0001_first': first,
  '20261120_0002_security_groups': securityGroups,
  '20261120_0003_routers': routers,
  '20261120_0004_server_addresses': serverAddresses,
  '20261125_0101_port_moves': portMoves,
  '20261125_0601_sharing_and_pools': sharingAndPools,
  '20261126_7001_server_security_groups': serverSecurityGroups,
};
