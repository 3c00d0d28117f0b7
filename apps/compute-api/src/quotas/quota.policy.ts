import { admin, adminOrReader, anyone, type Policies } from '@virga/rest';

export const quotaPolicies: Policies = {
  'os_compute_api:os-quota-sets:show': { check: adminOrReader, description: 'Show the quotas of a project.' },
  'os_compute_api:os-quota-sets:detail': { check: adminOrReader, description: 'Show quotas and usage of a project.' },
  'os_compute_api:os-quota-sets:defaults': { check: anyone, description: 'Show the default quotas.' },
  'os_compute_api:os-quota-sets:update': { check: admin, description: 'Set the quotas of a project.' },
  'os_compute_api:os-quota-sets:delete': { check: admin, description: 'Set the quotas of a project back to the defaults.' },
  'os_compute_api:os-quota-class-sets:show': { check: admin, description: 'Show the quotas of a class.' },
  'os_compute_api:os-quota-class-sets:update': { check: admin, description: 'Set the quotas of a class.' },
};
