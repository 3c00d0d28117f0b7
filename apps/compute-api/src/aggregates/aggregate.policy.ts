import { admin, type Policies } from '@virga/rest';

export const aggregatePolicies: Policies = {
  'os_compute_api:os-aggregates:index': { check: admin, description: 'List host aggregates.' },
  'os_compute_api:os-aggregates:create': { check: admin, description: 'Create a host aggregate.' },
  'os_compute_api:os-aggregates:show': { check: admin, description: 'Show a host aggregate.' },
  'os_compute_api:os-aggregates:update': { check: admin, description: 'Change name or zone of a host aggregate.' },
  'os_compute_api:os-aggregates:delete': { check: admin, description: 'Delete a host aggregate.' },
  'os_compute_api:os-aggregates:add_host': { check: admin, description: 'Add a host to an aggregate.' },
  'os_compute_api:os-aggregates:remove_host': { check: admin, description: 'Remove a host from an aggregate.' },
  'os_compute_api:os-aggregates:set_metadata': { check: admin, description: 'Set metadata of a host aggregate.' },
  'compute:aggregates:images': { check: admin, description: 'Have the hosts of an aggregate fetch images in advance.' },
};
