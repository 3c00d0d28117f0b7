import { admin, adminOrReader, anyone, type Policies } from '@virga/rest';

export const limitPolicies: Policies = {
  'os_compute_api:limits': { check: anyone, description: 'Show limits and usage of the own project.' },
  'os_compute_api:limits:other_project': { check: admin, description: 'Show limits and usage of another project.' },
  'os_compute_api:extensions': { check: anyone, description: 'List extensions.' },
  'os_compute_api:os-simple-tenant-usage:show': { check: adminOrReader, description: 'Show what a project has used.' },
  'os_compute_api:os-simple-tenant-usage:list': { check: admin, description: 'List what all projects have used.' },
};
