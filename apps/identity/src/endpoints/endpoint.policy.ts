import { admin, type Policies } from '@virga/rest';
import { adminOrSystemReader } from '../collection/personas';

export const endpointPolicies: Policies = {
  'identity:list_endpoints': { check: adminOrSystemReader, description: 'List endpoints of the catalog.' },
  'identity:get_endpoint': { check: adminOrSystemReader, description: 'Show an endpoint of the catalog.' },
  'identity:create_endpoint': { check: admin, description: 'Create an endpoint.' },
  'identity:update_endpoint': { check: admin, description: 'Change an endpoint.' },
  'identity:delete_endpoint': { check: admin, description: 'Delete an endpoint.' },
};
