import { admin, either, owner, type Policies } from '@virga/rest';
import { adminOrDomainManager, adminOrDomainReader, adminOrSystemReader } from '../collection/personas';

const systemGrants: Policies = Object.fromEntries(['user', 'group'].flatMap((actor) => [
  [`identity:list_system_grants_for_${actor}`, { check: adminOrSystemReader, description: `List the roles of a ${actor} on the system.` }],
  [`identity:check_system_grant_for_${actor}`, { check: adminOrSystemReader, description: `Ask whether a ${actor} has a role on the system.` }],
  [`identity:create_system_grant_for_${actor}`, { check: admin, description: `Give a ${actor} a role on the system.` }],
  [`identity:revoke_system_grant_for_${actor}`, { check: admin, description: `Take a role on the system from a ${actor}.` }],
]));

export const roleAssignmentPolicies: Policies = {
  'identity:list_grants': { check: adminOrDomainReader, description: 'List the roles of a user or group on a project or domain.' },
  'identity:check_grant': { check: adminOrDomainReader, description: 'Ask whether a user or group has a role on a project or domain.' },
  'identity:create_grant': { check: adminOrDomainManager, description: 'Give a role; managers of a domain within it, and not the role admin.' },
  'identity:revoke_grant': { check: adminOrDomainManager, description: 'Take a role; managers of a domain within it, and not the role admin.' },
  'identity:list_role_assignments': { check: either(adminOrDomainReader, owner), description: 'List role assignments; everyone their own.' },
  'identity:list_role_assignments_for_tree': { check: adminOrDomainReader, description: 'List role assignments of a project and all below it.' },
  ...systemGrants,
};
