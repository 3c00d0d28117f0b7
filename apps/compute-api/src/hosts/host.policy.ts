import { admin, anyone, type Policies, type PolicyRule } from '@virga/rest';

const rule = (check: PolicyRule['check'], description: string): PolicyRule => ({ check, description });
export const hostPolicies: Policies = {
  'os_compute_api:os-hypervisors:list': rule(admin, 'List hypervisors.'),
  'os_compute_api:os-hypervisors:list-detail': rule(admin, 'List hypervisors with details.'),
  'os_compute_api:os-hypervisors:show': rule(admin, 'Show a hypervisor.'),
  'os_compute_api:os-hypervisors:statistics': rule(admin, 'Sum up all hypervisors.'),
  'os_compute_api:os-hypervisors:uptime': rule(admin, 'Show how long a hypervisor has been up.'),
  'os_compute_api:os-hypervisors:search': rule(admin, 'Search hypervisors by name.'),
  'os_compute_api:os-hypervisors:servers': rule(admin, 'List the servers on hypervisors.'),
  'os_compute_api:os-services:list': rule(admin, 'List services.'),
  'os_compute_api:os-services:update': rule(admin, 'Enable, disable or force down a compute service.'),
  'os_compute_api:os-services:delete': rule(admin, 'Delete a service.'),
  'os_compute_api:os-hosts:list': rule(admin, 'List hosts in the form before 2.43.'),
  'os_compute_api:os-hosts:show': rule(admin, 'Show what of a host is used.'),
  'os_compute_api:os-hosts:update': rule(admin, 'Enable or disable a host.'),
  'os_compute_api:os-hosts:start': rule(admin, 'Switch a host on.'),
  'os_compute_api:os-hosts:shutdown': rule(admin, 'Switch a host off.'),
  'os_compute_api:os-hosts:reboot': rule(admin, 'Reboot a host.'),
  'os_compute_api:os-instance-usage-audit-log:list': rule(admin, 'List usage audits of the last month.'),
  'os_compute_api:os-instance-usage-audit-log:show': rule(admin, 'Show usage audits of the month before a time.'),
  'os_compute_api:os-availability-zone:list': rule(anyone, 'List availability zones.'),
  'os_compute_api:os-availability-zone:detail': rule(admin, 'List availability zones with their hosts.'),
};
