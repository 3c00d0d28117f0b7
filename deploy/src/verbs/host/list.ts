import { join } from 'node:path';
import { adminClient, type RestClient } from '../../seed/rest-client';
import { loadSite, type Launch } from '../../load-site';
import type { Options } from '../../options';
import { pidsInUtsNamespace } from '../../process/processes';
import { SecretStore } from '../../secrets';
import { hostId, utsInode } from '../../stages/host-namespace';
import { migrationRateOf } from '../../stages/migration-link';

interface Service { id: string; host: string; state: string; status: string; disabled_reason: string | null }

/** Of the compute services, by host name; with the microversion in which a service's id is a UUID. */
export async function computeServices(client: RestClient): Promise<Map<string, Service>> {
  const { services } = await client.request<{ services: Service[] }>('GET', 'compute', '/os-services?binary=nova-compute', { headers: MICROVERSION });
  return new Map(services.map((service) => [service.host, service]));
}

export const MICROVERSION = { 'openstack-api-version': 'compute 2.53' };

/** Prints the hosts of this machine, one a line; --json for programs. */
export async function listHosts(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  const client = await adminClient(site, new SecretStore(join(site.etc, 'secrets.json'))).catch(() => undefined);
  const services = client && (await computeServices(client));
  const hosts = site.hosts.map((plan) => {
    const inode = utsInode(plan);
    const service = services?.get(plan.name);
    return {
      name: plan.name, id: hostId(plan), address: plan.managementAddress, tunnelAddress: plan.tunnelAddress,
      processes: inode === undefined ? 0 : pidsInUtsNamespace(inode).length, state: service?.state ?? 'unknown', status: service?.status ?? 'unknown',
      disabledReason: service?.disabled_reason ?? null, migrationRate: migrationRateOf(site, plan),
    };
  });
  if (options.json) process.stdout.write(`${JSON.stringify(hosts, null, 2)}\n`);
  else for (const row of hosts) process.stdout.write(`${row.name}  ${row.address}  ${row.state}  ${row.status}${row.disabledReason ? ` (${row.disabledReason})` : ''}  ${row.processes} processes  link ${row.migrationRate}  ${row.id}\n`);
  return 0;
}
