import type { Policies } from '@virga/rest';
import { adminOrDomainManager, adminOrDomainReader, adminOrDomainReaderOrOwner } from '../collection/personas';

export const groupPolicies: Policies = {
  'identity:list_groups': { check: adminOrDomainReader, description: 'List groups, of the own domain for its readers.' },
  'identity:get_group': { check: adminOrDomainReader, description: 'Show a group.' },
  'identity:create_group': { check: adminOrDomainManager, description: 'Create a group.' },
  'identity:update_group': { check: adminOrDomainManager, description: 'Change a group.' },
  'identity:delete_group': { check: adminOrDomainManager, description: 'Delete a group.' },
  'identity:list_users_in_group': { check: adminOrDomainReader, description: 'List the users of a group.' },
  'identity:list_groups_for_user': { check: adminOrDomainReaderOrOwner, description: 'List the groups of a user; everyone their own.' },
  'identity:check_user_in_group': { check: adminOrDomainReader, description: 'Ask whether a user is in a group.' },
  'identity:add_user_to_group': { check: adminOrDomainManager, description: 'Add a user to a group.' },
  'identity:remove_user_from_group': { check: adminOrDomainManager, description: 'Remove a user from a group.' },
};
