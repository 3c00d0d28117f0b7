import { admin, either, owner, type Policies } from '@virga/rest';

const own = either(admin, owner);
export const keypairPolicies: Policies = {
  'os_compute_api:os-keypairs:index': { check: own, description: 'List key pairs.' },
  'os_compute_api:os-keypairs:create': { check: own, description: 'Create or import a key pair.' },
  'os_compute_api:os-keypairs:show': { check: own, description: 'Show a key pair.' },
  'os_compute_api:os-keypairs:delete': { check: own, description: 'Delete a key pair.' },
};
