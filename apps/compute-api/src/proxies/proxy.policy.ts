import { admin, adminOrMember, adminOrReader, type Policies, type PolicyRule } from '@virga/rest';

const rule = (check: PolicyRule['check'], description: string): PolicyRule => ({ check, description });

/** Who may come as far as the service that owns the thing, whose own policy then decides. */
export const proxyPolicies: Policies = {
  'os_compute_api:os-security-groups:get': rule(adminOrReader, 'List security groups (until 2.35).'),
  'os_compute_api:os-security-groups:show': rule(adminOrReader, 'Show a security group (until 2.35).'),
  'os_compute_api:os-security-groups:create': rule(adminOrMember, 'Create a security group (until 2.35).'),
  'os_compute_api:os-security-groups:update': rule(adminOrMember, 'Update a security group (until 2.35).'),
  'os_compute_api:os-security-groups:delete': rule(adminOrMember, 'Delete a security group (until 2.35).'),
  'os_compute_api:os-security-groups:rule:create': rule(adminOrMember, 'Create a security group rule (until 2.35).'),
  'os_compute_api:os-security-groups:rule:delete': rule(adminOrMember, 'Delete a security group rule (until 2.35).'),
  'os_compute_api:os-security-groups:get:all_tenants': rule(admin, 'List security groups of all projects (until 2.35).'),
  'os_compute_api:os-floating-ips:list': rule(adminOrReader, 'List floating IPs (until 2.35).'),
  'os_compute_api:os-floating-ips:show': rule(adminOrReader, 'Show a floating IP (until 2.35).'),
  'os_compute_api:os-floating-ips:create': rule(adminOrMember, 'Create a floating IP (until 2.35).'),
  'os_compute_api:os-floating-ips:delete': rule(adminOrMember, 'Delete a floating IP (until 2.35).'),
  'os_compute_api:os-floating-ips:add': rule(adminOrMember, 'Give a server a floating IP (until 2.43).'),
  'os_compute_api:os-floating-ips:remove': rule(adminOrMember, 'Take a floating IP from a server (until 2.43).'),
  'os_compute_api:os-floating-ip-pools': rule(adminOrReader, 'List the networks that floating IPs come from (until 2.35).'),
  'os_compute_api:os-multinic:add': rule(adminOrMember, 'Give a server one more fixed IP (until 2.43).'),
  'os_compute_api:os-multinic:remove': rule(adminOrMember, 'Take a fixed IP from a server (until 2.43).'),
  'os_compute_api:images:delete': rule(adminOrMember, 'Delete an image (until 2.35).'),
  'os_compute_api:image-metadata:create': rule(adminOrMember, 'Add metadata to an image (until 2.38).'),
  'os_compute_api:image-metadata:update': rule(adminOrMember, 'Set metadata of an image (until 2.38).'),
  'os_compute_api:image-metadata:delete': rule(adminOrMember, 'Delete a metadata item of an image (until 2.38).'),
  'os_compute_api:os-networks:list': rule(adminOrReader, 'List networks (until 2.35).'),
  'os_compute_api:os-networks:show': rule(adminOrReader, 'Show a network (until 2.35).'),
  'os_compute_api:os-tenant-networks:list': rule(adminOrReader, 'List networks of a project (until 2.35).'),
  'os_compute_api:os-tenant-networks:show': rule(adminOrReader, 'Show a network of a project (until 2.35).'),
};
