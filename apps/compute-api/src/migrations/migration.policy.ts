import { admin, type Policies, type PolicyRule } from '@virga/rest';

const rule = (description: string): PolicyRule => ({ check: admin, description });
export const migrationPolicies: Policies = {
  'os_compute_api:os-migrations:index': rule('List migrations of all servers.'),
  'os_compute_api:servers:migrations:index': rule('List the live migrations of a server that are in progress.'),
  'os_compute_api:servers:migrations:show': rule('Show a live migration of a server that is in progress.'),
  'os_compute_api:servers:migrations:force_complete': rule('Have a live migration come to its end.'),
  'os_compute_api:servers:migrations:delete': rule('Abort a live migration.'),
};
