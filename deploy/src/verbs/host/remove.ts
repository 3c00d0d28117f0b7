import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { agentUser } from '@virga/rpc';
import { forgetMember, membersOf, type Member } from '../../enrolment/members';
import { keepSettings, loadSite, type Launch } from '../../load-site';
import type { Options } from '../../options';
import { southboundSocket } from '../../parts/ovn-central';
import { deleteBrokerUser } from '../../parts/rabbitmq';
import { partNames, stopPart } from '../../process/supervision';
import { run } from '../../run-command';
import { SecretStore } from '../../secrets';
import { adminClient } from '../../seed/rest-client';
import type { HostPlan, Site } from '../../site';
import { endHostProcesses } from '../../stages/guests';
import { deleteHostNamespace, hostId } from '../../stages/host-namespace';
import { namedHost } from './index';
import { computeServices, MICROVERSION } from './list';

/** Takes a host away for good. Refused while it has instances; nothing new is placed there meanwhile. */
export async function removeHost(launch: Launch, options: Options): Promise<number> {
  const site = loadSite(launch);
  const member = membersOf(site).find(({ name }) => name === options.words[0]);
  if (member) await takeAway(site, member.name, member.hostId, async (state) => { refuseAlive(member, state); });
  else await removeOwn(launch, site, namedHost(site, options.words[0]));
  process.stdout.write(`${options.words[0]} is removed\n`);
  return 0;
}

/** What is taken away here runs over there: it would come back by itself. */
function refuseAlive({ name, address }: Member, state: string | undefined): void {
  if (state === 'up') throw new Error(`${name} (${address}) is alive; ./virga down on that machine first, and ask again when ./virga host list shows it as down.`);
}

async function removeOwn(launch: Launch, site: Site, plan: HostPlan): Promise<void> {
  if (site.hosts.length === 1) throw new Error('the last host of this machine stays; ./virga destroy removes the cloud.');
  await takeAway(site, plan.name, hostId(plan), async () => {
    await Promise.all(partNames(site).filter((name) => name.startsWith(`${plan.name}-`)).map(async (name) => {
      await stopPart(site, name, 10_000);
      rmSync(join(site.parts, name), { recursive: true, force: true });
      rmSync(join(site.etc, `${name}.env`), { force: true });
    }));
    await endHostProcesses(plan);
  });
  await deleteHostNamespace(plan);
  rmSync(plan.directory, { recursive: true, force: true });
  const { [plan.name]: _gone, ...migrationRates } = site.settings.migrationRates ?? {};
  keepSettings(launch, { ...site.settings, absentHosts: [...(site.settings.absentHosts ?? []), plan.index], migrationRates });
}

/** Everything of a host that the control plane, the broker and OVN know. `stop` sees to it that it is off; it gets the state of its compute service. */
async function takeAway(site: Site, name: string, id: string, stop: (state: string | undefined) => Promise<void>): Promise<void> {
  const client = await adminClient(site, new SecretStore(join(site.etc, 'secrets.json')));
  const service = (await computeServices(client)).get(name);
  const update = (body: object): Promise<unknown> => client.request('PUT', 'compute', `/os-services/${service!.id}`, { headers: MICROVERSION, body });
  const enableAgain = async (): Promise<void> => { if (service?.status === 'enabled') await update({ status: 'enabled' }); };
  // Before it is looked at: whoever is placed there afterwards would be lost.
  if (service) await update({ status: 'disabled', disabled_reason: 'is being removed' });
  const { servers } = await client.request<{ servers: { id: string }[] }>('GET', 'compute', `/servers?all_tenants=1&host=${name}`);
  if (servers.length > 0) {
    await enableAgain();
    throw new Error(`${name} has ${servers.length} instance(s); migrate or delete them first.`);
  }
  await stop(service?.state).catch(async (error: unknown) => { await enableAgain(); throw error; });
  // A silent host is only deleted when the API, too, finds no instance on it.
  if (service) await client.request('DELETE', 'compute', `/os-services/${service.id}`, { headers: MICROVERSION });
  // First: what is rebuilt from it must not make the user again.
  forgetMember(site, name);
  await deleteBrokerUser(site, agentUser(id));
  await run('ovn-sbctl', [`--db=unix:${southboundSocket(site)}`, '--timeout=15', '--if-exists', 'chassis-del', name]);
}
