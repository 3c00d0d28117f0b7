import { Controller, Get, Param } from '@nestjs/common';
import { notFound } from '@virga/core';
import { Authorize } from '@virga/rest';
import { under } from '../microversions';

/** Parts of the API that are built, under the names that clients look for. */
const EXTENSIONS: readonly (readonly [alias: string, name: string, description: string])[] = [
  ['OS-DCF', 'DiskConfig', 'Disk configuration of servers.'],
  ['OS-EXT-AZ', 'ExtendedAvailabilityZone', 'Availability zone of servers.'],
  ['OS-EXT-IPS', 'ExtendedIps', 'Type of server addresses.'],
  ['OS-EXT-IPS-MAC', 'ExtendedIpsMac', 'MAC address of server addresses.'],
  ['OS-EXT-SRV-ATTR', 'ExtendedServerAttributes', 'Extended attributes of servers.'],
  ['OS-EXT-STS', 'ExtendedStatus', 'Extended status of servers.'],
  ['OS-FLV-DISABLED', 'FlavorDisabled', 'Whether a flavor is disabled.'],
  ['OS-FLV-EXT-DATA', 'FlavorExtraData', 'Additional data of flavors.'],
  ['OS-SCH-HNT', 'SchedulerHints', 'Hints for the scheduler.'],
  ['OS-SRV-USG', 'ServerUsage', 'Launch and end times of servers.'],
  ['os-access-ips', 'AccessIPs', 'Access addresses of servers.'],
  ['os-admin-actions', 'AdminActions', 'Resetting the state of servers.'],
  ['os-availability-zone', 'AvailabilityZone', 'Availability zones.'],
  ['os-block-device-mapping-v2-boot', 'BlockDeviceMappingV2Boot', 'Boot from an image given as a block device.'],
  ['os-config-drive', 'ConfigDrive', 'Config drive.'],
  ['os-consoles', 'Consoles', 'Consoles of servers by URL.'],
  ['os-console-output', 'ConsoleOutput', 'Serial console output of servers.'],
  ['os-extended-hypervisors', 'ExtendedHypervisors', 'Extended data of hypervisors.'],
  ['os-extended-quotas', 'ExtendedQuotas', 'Resetting and forcing quotas.'],
  ['os-extended-services', 'ExtendedServices', 'Reasons of disabled services.'],
  ['os-extended-services-delete', 'ExtendedServicesDelete', 'Deleting services.'],
  ['os-extended-status', 'ExtendedStatus', 'Extended status of servers.'],
  ['os-flavor-access', 'FlavorAccess', 'Access of projects to flavors.'],
  ['os-flavor-extra-specs', 'FlavorExtraSpecs', 'Extra specs of flavors.'],
  ['os-flavor-manage', 'FlavorManage', 'Creating and deleting flavors.'],
  ['os-flavor-rxtx', 'FlavorRxtx', 'Network factor of flavors.'],
  ['os-flavor-swap', 'FlavorSwap', 'Swap of flavors.'],
  ['os-aggregates', 'Aggregates', 'Host aggregates.'],
  ['os-deferred-delete', 'DeferredDelete', 'Deletion of servers at once.'],
  ['OS-EXT-IMG-SIZE', 'ImageSize', 'Size of images.'],
  ['os-floating-ip-pools', 'FloatingIpPools', 'Networks that floating IPs come from, until 2.35.'],
  ['os-floating-ips', 'FloatingIps', 'Floating IPs, until 2.35.'],
  ['NMN', 'Multinic', 'Further fixed IPs of servers, until 2.43.'],
  ['os-networks', 'Networks', 'Networks, until 2.35.'],
  ['os-tenant-networks', 'OSTenantNetworks', 'Networks of projects, until 2.35.'],
  ['os-security-groups', 'SecurityGroups', 'Security groups, until 2.35.'],
  ['os-hosts', 'Hosts', 'Hosts in their older form.'],
  ['os-hypervisors', 'Hypervisors', 'Hypervisors.'],
  ['os-instance-actions', 'InstanceActions', 'History of servers.'],
  ['os-instance-usage-audit-log', 'OSInstanceUsageAuditLog', 'Usage audits of hosts.'],
  ['os-keypairs', 'Keypairs', 'Key pairs.'],
  ['os-lock-server', 'LockServer', 'Locking of servers.'],
  ['os-multiple-create', 'MultipleCreate', 'Several servers in one request.'],
  ['os-pause-server', 'PauseServer', 'Pausing of servers.'],
  ['os-quota-class-sets', 'QuotaClasses', 'Quota classes.'],
  ['os-quota-sets', 'Quotas', 'Quotas.'],
  ['os-server-diagnostics', 'ServerDiagnostics', 'What the hypervisor knows of servers.'],
  ['os-server-external-events', 'ServerExternalEvents', 'Events from other services.'],
  ['os-server-groups', 'ServerGroups', 'Server groups.'],
  ['os-server-group-quotas', 'ServerGroupQuotas', 'Quotas of server groups.'],
  ['os-server-list-multi-status', 'ServerListMultiStatus', 'Several statuses in one filter.'],
  ['os-server-sort-keys', 'ServerSortKeys', 'Sorting of servers.'],
  ['os-server-start-stop', 'ServerStartStop', 'Starting and stopping of servers.'],
  ['os-services', 'Services', 'Services.'],
  ['os-simple-tenant-usage', 'SimpleTenantUsage', 'Usage of projects.'],
  ['os-suspend-server', 'SuspendServer', 'Suspending of servers.'],
  ['os-used-limits', 'UsedLimits', 'Usage beside limits.'],
  ['os-used-limits-for-admin', 'UsedLimitsForAdmin', 'Limits of other projects.'],
  ['os-user-data', 'UserData', 'User data of servers.'],
  ['os-user-quotas', 'UserQuotas', 'Quotas of users.'],
];
const view = ([alias, name, description]: (typeof EXTENSIONS)[number]) =>
  ({ alias, description, links: [], name, namespace: 'http://docs.openstack.org/compute/ext/fake_xml', updated: '2014-12-03T00:00:00Z' });

@Controller(under('extensions'))
export class ExtensionsController {
  @Get()
  @Authorize('os_compute_api:extensions')
  list() {
    return { extensions: EXTENSIONS.map(view) };
  }

  @Get(':alias')
  @Authorize('os_compute_api:extensions')
  show(@Param('alias') alias: string) {
    const found = EXTENSIONS.find(([known]) => known === alias);
    if (!found) throw notFound(`Extension ${alias} could not be found.`);
    return { extension: view(found) };
  }
}
