import { FAULT_STYLES, PolicyEnforcer, type Policies } from '@virga/rest';
import { authPolicies } from './auth/auth.policy';

/** Every rule of this service. */
export const policies: Policies = {
  ...authPolicies,
};

export const createEnforcer = (): PolicyEnforcer => new PolicyEnforcer(policies, FAULT_STYLES.identity);
