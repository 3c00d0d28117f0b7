import { admin, adminOrMember, type Policies } from '@virga/rest';

export const consolePolicies: Policies = {
  'os_compute_api:os-remote-consoles': { check: adminOrMember, description: 'Get the URL of a console of a server.' },
  'os_compute_api:os-console-auth-tokens': { check: admin, description: 'See where the console leads that a token is for.' },
};
