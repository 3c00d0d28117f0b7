import { FAULT_STYLES, PolicyEnforcer, type Policies } from '@virga/rest';
import { applicationCredentialPolicies } from './application-credentials/application-credential.policy';
import { authPolicies } from './auth/auth.policy';
import { domainPolicies } from './domains/domain.policy';
import { endpointPolicies } from './endpoints/endpoint.policy';
import { groupPolicies } from './groups/group.policy';
import { projectPolicies } from './projects/project.policy';
import { regionPolicies } from './regions/region.policy';
import { roleAssignmentPolicies } from './role-assignments/role-assignment.policy';
import { rolePolicies } from './roles/role.policy';
import { servicePolicies } from './services/service.policy';
import { userPolicies } from './users/user.policy';

/** Every rule of this service. */
export const policies: Policies = {
  ...applicationCredentialPolicies, ...authPolicies, ...domainPolicies, ...endpointPolicies, ...groupPolicies, ...projectPolicies,
  ...regionPolicies, ...roleAssignmentPolicies, ...rolePolicies, ...servicePolicies, ...userPolicies,
};

export const createEnforcer = (): PolicyEnforcer => new PolicyEnforcer(policies, FAULT_STYLES.identity);
