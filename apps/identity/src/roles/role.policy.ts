import { admin, either, type Policies, type PolicyCheck } from '@virga/rest';
import { adminOrSystemReader } from '../collection/personas';

/** A domain's manager has to see the roles that may be given. */
const managerOfAnyDomain: PolicyCheck = (caller) => caller.domain !== undefined && caller.roleNames.has('manager');
const reads = either(adminOrSystemReader, managerOfAnyDomain);

export const rolePolicies: Policies = {
  'identity:list_roles': { check: reads, description: 'List roles.' },
  'identity:get_role': { check: reads, description: 'Show a role.' },
  'identity:create_role': { check: admin, description: 'Create a role.' },
  'identity:update_role': { check: admin, description: 'Change a role.' },
  'identity:delete_role': { check: admin, description: 'Delete a role with its assignments.' },
  'identity:list_domain_roles': { check: adminOrSystemReader, description: 'List the roles of a domain.' },
  'identity:list_implied_roles': { check: adminOrSystemReader, description: 'List what a role implies.' },
  'identity:get_implied_role': { check: adminOrSystemReader, description: 'Show one implication.' },
  'identity:create_implied_role': { check: admin, description: 'Let a role imply another.' },
  'identity:delete_implied_role': { check: admin, description: 'End an implication.' },
  'identity:list_role_inference_rules': { check: adminOrSystemReader, description: 'List all implications.' },
};
