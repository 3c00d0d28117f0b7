import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { agentUser } from '@virga/rpc';
import { keepSettings, type Launch } from '../../load-site';
import type { Options } from '../../options';
import { southboundSocket } from '../../parts/ovn-central';
import { deleteBrokerUser } from '../../parts/rabbitmq';
import { partNames, stopPart } from '../../process/supervision';
import { run } from '../../run-command';
import { SecretStore } from '../../secrets';
import { adminClient } from '../../seed/rest-client';
import { endHostProcesses } from '../../stages/guests';
import { deleteHostNamespace, hostId } from '../../stages/host-namespace';
import { siteAndHost } from './index';
import { computeServices, MICROVERSION } from './list';

/** Takes a host away for good. Refused while it has instances; nothing new is placed there meanwhile. */
export async function removeHost(launch: Launch, options: Options): Promise<number> {
  const { site, plan } = siteAndHost(launch, options);
  if (site.hosts.length === 1) throw new Error('the last host stays; ./virga destroy removes the cloud.');
  const client = await adminClient(site, new SecretStore(join(site.etc, 'secrets.json')));
  const service = (await computeServices(client)).get(plan.name);
  const update = (body: object): Promise<unknown> => client.request('PUT', 'compute', `/os-services/${service!.id}`, { headers: MICROVERSION, body });
  // Before it is looked at: whoever is placed there afterwards would be lost.
  if (service) await update({ status: 'disabled', disabled_reason: 'is being removed' });
  const { servers } = await client.request<{ servers: { id: string }[] }>('GET', 'compute', `/servers?all_tenants=1&host=${plan.name}`);
  if (servers.length > 0) {
    if (service?.status === 'enabled') await update({ status: 'enabled' });
    throw new Error(`${plan.name} has ${servers.length} instance(s); migrate or delete them first.`);
  }
  const user = agentUser(hostId(plan));
  await Promise.all(partNames(site).filter((name) => name.startsWith(`${plan.name}-`)).map(async (name) => {
    await stopPart(site, name, 10_000);
    rmSync(join(site.parts, name), { recursive: true, force: true });
    rmSync(join(site.etc, `${name}.env`), { force: true });
  }));
  await endHostProcesses(plan);
  // A silent host is only deleted when the API, too, finds no instance on it.
  if (service) await client.request('DELETE', 'compute', `/os-services/${service.id}`, { headers: MICROVERSION });
  await deleteBrokerUser(site, user);
  await run('ovn-sbctl', [`--db=unix:${southboundSocket(site)}`, '--timeout=15', '--if-exists', 'chassis-del', plan.name]);
  await deleteHostNamespace(plan);
  rmSync(plan.directory, { recursive: true, force: true });
  const { [plan.name]: _gone, ...migrationRates } = site.settings.migrationRates ?? {};
  const absentHosts = [...(site.settings.absentHosts ?? []), plan.index];
  keepSettings(launch, { ...site.settings, absentHosts, migrationRates });
  process.stdout.write(`${plan.name} is removed\n`);
  return 0;
}
