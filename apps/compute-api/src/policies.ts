import type { Policies } from '@virga/rest';
import { aggregatePolicies } from './aggregates/aggregate.policy';
import { consolePolicies } from './consoles/console.policy';
import { flavorPolicies } from './flavors/flavor.policy';
import { hostPolicies } from './hosts/host.policy';
import { keypairPolicies } from './keypairs/keypair.policy';
import { limitPolicies } from './limits/limits.policy';
import { migrationPolicies } from './migrations/migration.policy';
import { proxyPolicies } from './proxies/proxy.policy';
import { quotaPolicies } from './quotas/quota.policy';
import { serverGroupPolicies } from './server-groups/server-group.policy';
import { serverPolicies } from './servers/server.policy';

export const computePolicies: Policies = {
  ...aggregatePolicies, ...flavorPolicies, ...keypairPolicies, ...quotaPolicies, ...limitPolicies, ...hostPolicies, ...serverPolicies, ...migrationPolicies, ...consolePolicies, ...proxyPolicies, ...serverGroupPolicies,
};
