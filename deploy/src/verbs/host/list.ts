import { join } from 'node:path';
import { adminClient, type RestClient } from '../../seed/rest-client';
import { membersOf } from '../../enrolment/members';
import { loadSite, type Launch } from '../../load-site';
import { UsageError, type Options } from '../../options';
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

/** Prints the hosts of the cloud, those of this machine and those that have joined, one a line; --json for programs. */
export async function listHosts(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  if (site.settings.membership) throw new UsageError(`this machine is the host ${site.settings.membership.host} of another machine's cloud; ./virga status shows it, ./virga host list at the controller all hosts.`);
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
  const joined = membersOf(site).map(({ name, hostId: id, address, tunnelAddress, joinedAt }) => {
    const service = services?.get(name);
    return { name, id, address, tunnelAddress, joinedAt, state: service?.state ?? 'unknown', status: service?.status ?? 'unknown', disabledReason: service?.disabled_reason ?? null };
  });
  if (options.json) { process.stdout.write(`${JSON.stringify([...hosts, ...joined], null, 2)}\n`); return 0; }
  for (const row of hosts) process.stdout.write(`${row.name}  ${row.address}  ${row.state}  ${row.status}${row.disabledReason ? ` (${row.disabledReason})` : ''}  ${row.processes} processes  link ${row.migrationRate}  ${row.id}\n`);
  for (const row of joined) process.stdout.write(`${row.name}  ${row.address}  ${row.state}  ${row.status}${row.disabledReason ? ` (${row.disabledReason})` : ''}  joined ${row.joinedAt}  ${row.id}\n`);
  return 0;
}
