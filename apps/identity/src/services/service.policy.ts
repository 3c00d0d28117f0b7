import { admin, type Policies } from '@virga/rest';
import { adminOrSystemReader } from '../collection/personas';

export const servicePolicies: Policies = {
  'identity:list_services': { check: adminOrSystemReader, description: 'List services of the catalog.' },
  'identity:get_service': { check: adminOrSystemReader, description: 'Show a service of the catalog.' },
  'identity:create_service': { check: admin, description: 'Create a service.' },
  'identity:update_service': { check: admin, description: 'Change a service.' },
  'identity:delete_service': { check: admin, description: 'Delete a service with its endpoints.' },
};
