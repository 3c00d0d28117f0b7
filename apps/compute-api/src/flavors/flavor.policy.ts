import { admin, adminOrReader, anyone, type Policies } from '@virga/rest';

export const flavorPolicies: Policies = {
  'os_compute_api:flavors:list': { check: anyone, description: 'List and show flavors.' },
  'os_compute_api:os-flavor-manage:create': { check: admin, description: 'Create a flavor.' },
  'os_compute_api:os-flavor-manage:update': { check: admin, description: 'Update the description of a flavor.' },
  'os_compute_api:os-flavor-manage:delete': { check: admin, description: 'Delete a flavor.' },
  'os_compute_api:os-flavor-access': { check: admin, description: 'List the projects that have access to a flavor.' },
  'os_compute_api:os-flavor-access:add_tenant_access': { check: admin, description: 'Give a project access to a flavor.' },
  'os_compute_api:os-flavor-access:remove_tenant_access': { check: admin, description: 'Take a project\'s access to a flavor away.' },
  'os_compute_api:os-flavor-extra-specs:index': { check: adminOrReader, description: 'List the extra specs of a flavor.' },
  'os_compute_api:os-flavor-extra-specs:show': { check: adminOrReader, description: 'Show an extra spec of a flavor.' },
  'os_compute_api:os-flavor-extra-specs:create': { check: admin, description: 'Set extra specs of a flavor.' },
  'os_compute_api:os-flavor-extra-specs:update': { check: admin, description: 'Change an extra spec of a flavor.' },
  'os_compute_api:os-flavor-extra-specs:delete': { check: admin, description: 'Remove an extra spec of a flavor.' },
};
