import { admin, anyone, type Policies } from '@virga/rest';

export const regionPolicies: Policies = {
  'identity:list_regions': { check: anyone, description: 'List regions.' },
  'identity:get_region': { check: anyone, description: 'Show a region.' },
  'identity:create_region': { check: admin, description: 'Create a region.' },
  'identity:update_region': { check: admin, description: 'Change a region.' },
  'identity:delete_region': { check: admin, description: 'Delete a region without endpoints and regions in it.' },
};
