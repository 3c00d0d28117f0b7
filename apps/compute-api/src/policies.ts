import type { Policies } from '@virga/rest';
import { flavorPolicies } from './flavors/flavor.policy';
import { keypairPolicies } from './keypairs/keypair.policy';
import { quotaPolicies } from './quotas/quota.policy';
import { serverPolicies } from './servers/server.policy';

export const computePolicies: Policies = { ...flavorPolicies, ...keypairPolicies, ...quotaPolicies, ...serverPolicies };
