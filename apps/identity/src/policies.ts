import { FAULT_STYLES, PolicyEnforcer, type Policies } from '@virga/rest';
import { accessRulePolicies } from './access-rules/access-rule';
import { credentialPolicies } from './credentials/credential';
import { domainConfigPolicies } from './domain-config/domain-config';
import { endpointFilterPolicies } from './endpoint-filter/endpoint-group';
import { oauthConsumerPolicies } from './oauth-consumers/oauth-consumers.controller';
import { policyDocumentPolicies } from './policy-documents/policy-documents.controller';
import { trustPolicies } from './trusts/trust';
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
  ...accessRulePolicies, ...credentialPolicies, ...domainConfigPolicies, ...endpointFilterPolicies, ...oauthConsumerPolicies, ...policyDocumentPolicies, ...trustPolicies,
  ...applicationCredentialPolicies, ...authPolicies, ...domainPolicies, ...endpointPolicies, ...groupPolicies, ...projectPolicies,
  ...regionPolicies, ...roleAssignmentPolicies, ...rolePolicies, ...servicePolicies, ...userPolicies,
};

export const createEnforcer = (): PolicyEnforcer => new PolicyEnforcer(policies, FAULT_STYLES.identity);
