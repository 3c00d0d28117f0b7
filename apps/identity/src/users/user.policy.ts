import type { Policies } from '@virga/rest';
import { adminOrDomainManager, adminOrDomainReader, adminOrDomainReaderOrOwner } from '../collection/personas';

export const userPolicies: Policies = {
  'identity:list_users': { check: adminOrDomainReader, description: 'List users, of the own domain for its readers.' },
  'identity:get_user': { check: adminOrDomainReaderOrOwner, description: 'Show a user; everyone themselves.' },
  'identity:create_user': { check: adminOrDomainManager, description: 'Create a user.' },
  'identity:update_user': { check: adminOrDomainManager, description: 'Change a user, the password included.' },
  'identity:delete_user': { check: adminOrDomainManager, description: 'Delete a user.' },
};
