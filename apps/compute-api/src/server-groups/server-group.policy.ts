import { admin, adminOrMember, adminOrReader, projectMember, type Policies } from '@virga/rest';

export const serverGroupPolicies: Policies = {
  'os_compute_api:os-server-groups:create': { check: projectMember, description: 'Create a server group.' },
  'os_compute_api:os-server-groups:delete': { check: adminOrMember, description: 'Delete a server group.' },
  'os_compute_api:os-server-groups:index': { check: adminOrReader, description: 'List server groups.' },
  'os_compute_api:os-server-groups:index:all_projects': { check: admin, description: 'List server groups of all projects.' },
  'os_compute_api:os-server-groups:show': { check: adminOrReader, description: 'Show a server group.' },
};
