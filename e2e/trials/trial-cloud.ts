import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACCOUNTS } from '../../deploy/src/credentials';
import { postOverSocket } from '../../deploy/src/health/http-health';
import { adminSocket } from '../../deploy/src/parts/apps';
import { partsOf } from '../../deploy/src/parts/catalog';
import { SecretStore } from '../../deploy/src/secrets';
import type { HostPlan, Site } from '../../deploy/src/site';
import { runInHost } from '../../deploy/src/stages/host-namespace';
import { limitMigrationLink } from '../../deploy/src/stages/migration-link';
import type { VerifyReport } from '../../deploy/src/verbs/verify';
import { Api, type Answer } from '../chaos/api';
import { killPart } from '../chaos/kills';
import { until } from '../cloud';
import { bootIdOf } from './probes';

export interface Guest { id: string; name: string; address: string; bootId: string; instanceName: string }
export interface Ended { status: string; state: string; host: string; fault: string | undefined; seconds: number }

const must = (answer: Answer, what: string): any => {
  if (answer.status >= 300) throw new Error(`${what} was answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
};

/** How often somebody who waits looks, ms. */
export const LOOK_MS = 300;

/** Its data partition is written to and read back every half second; what does not come back as it was is printed. */
const WRITES = '#!/bin/sh\n(i=0; while :; do i=$((i+1)); echo $i > /data/beat && sync; [ "$(cat /data/beat)" = "$i" ] || echo "TRIAL-WRITE-LOST $i" > /dev/console; sleep 0.5; done) &\n';

/** The cloud of the trials, by its API and by what an operator of the machine can see and do. */
export class TrialCloud {
  readonly api: Api;
  private readonly secrets: SecretStore;
  private networkId = '';
  private imageId = '';
  private readonly flavors = new Map<number, Promise<string>>();

  constructor(readonly site: Site, readonly say: (text: string) => void) {
    this.secrets = new SecretStore(join(site.etc, 'secrets.json'));
    const { admin } = ACCOUNTS;
    const account = { identityUrl: site.publicUrls.identity, username: admin.username, password: this.secrets.get(admin.secret), project: admin.project };
    this.api = new Api(account, { compute: `${site.publicUrls.compute}/v2.1`, network: `${site.publicUrls.network}/v2.0`, image: `${site.publicUrls.image}/v2` });
  }

  private async call(service: 'compute' | 'network' | 'image', method: string, path: string, body?: unknown): Promise<any> {
    return must(await this.api.insist(service, method, path, body), `${method} ${path}`);
  }

  /** Network with a way out, and the image; made once. */
  async prepare(): Promise<void> {
    this.imageId = (await this.call('image', 'GET', '/images?name=tiny')).images[0].id;
    const { networks } = await this.call('network', 'GET', '/networks?name=trials');
    if (networks.length > 0) { this.networkId = networks[0].id; return; }
    this.networkId = (await this.call('network', 'POST', '/networks', { network: { name: 'trials' } })).network.id;
    const { subnet } = await this.call('network', 'POST', '/subnets', { subnet: { network_id: this.networkId, ip_version: 4, cidr: '10.77.0.0/24' } });
    const external = (await this.call('network', 'GET', '/networks?name=public')).networks[0].id;
    const { router } = await this.call('network', 'POST', '/routers', { router: { name: 'trials', external_gateway_info: { network_id: external } } });
    await this.call('network', 'PUT', `/routers/${router.id}/add_router_interface`, { subnet_id: subnet.id });
    const { security_groups: [group] } = await this.call('network', 'GET', `/security-groups?name=default&project_id=${router.project_id}`);
    for (const protocol of ['tcp', 'icmp']) await this.call('network', 'POST', '/security-group-rules', { security_group_rule: { security_group_id: group.id, direction: 'ingress', ethertype: 'IPv4', protocol } });
  }

  /** Found or made, once also for those who ask at the same time. */
  private flavor(ram: number): Promise<string> {
    const make = async () => {
      const name = `trial-${ram}`;
      const known = (await this.call('compute', 'GET', '/flavors')).flavors.find((one: { name: string }) => one.name === name)?.id;
      return known ?? (await this.call('compute', 'POST', '/flavors', { flavor: { name, vcpus: 1, ram, disk: 1 } })).flavor.id;
    };
    if (!this.flavors.has(ram)) this.flavors.set(ram, make());
    return this.flavors.get(ram)!;
  }

  async boot(name: string, { ram = 256, dirty, writes = false, host }: { ram?: number; dirty?: string; writes?: boolean; host?: string } = {}): Promise<Guest> {
    const { server } = await this.call('compute', 'POST', '/servers', {
      server: {
        name, imageRef: this.imageId, flavorRef: await this.flavor(ram), networks: [{ uuid: this.networkId }], ...(dirty !== undefined && { metadata: { dirty } }),
        ...(writes && { user_data: Buffer.from(WRITES).toString('base64') }), ...(host !== undefined && { availability_zone: `nova:${host}` }),
      },
    });
    const seen = await until(`${name} to run`, async () => { const now = await this.server(server.id); if (now.status === 'ERROR') throw new Error(now.fault?.message); return now.status === 'ACTIVE' && now; }, 240_000, LOOK_MS);
    const external = (await this.call('network', 'GET', '/networks?name=public')).networks[0].id;
    const port = (await this.call('network', 'GET', `/ports?device_id=${server.id}`)).ports[0].id;
    const { floatingip } = await this.call('network', 'POST', '/floatingips', { floatingip: { floating_network_id: external, port_id: port, description: 'trial' } });
    const address = floatingip.floating_ip_address as string;
    const bootId = await until(`${name} to answer`, () => bootIdOf(address).catch(() => undefined), 180_000, 1000);
    return { id: server.id, name, address, bootId, instanceName: seen['OS-EXT-SRV-ATTR:instance_name'] };
  }

  async server(id: string): Promise<any> {
    return (await this.call('compute', 'GET', `/servers/${id}`)).server;
  }

  async hostOf(guest: Guest): Promise<string> {
    return (await this.server(guest.id))['OS-EXT-SRV-ATTR:host'];
  }

  plan(name: string): HostPlan { return this.site.hosts.find((host) => host.name === name)!; }
  other(name: string): HostPlan { return this.site.hosts.find((host) => host.name !== name)!; }

  async remove(guest: Guest): Promise<void> {
    for (const { id } of (await this.call('network', 'GET', `/floatingips?floating_ip_address=${guest.address}`)).floatingips) await this.call('network', 'DELETE', `/floatingips/${id}`);
    await this.api.insist('compute', 'DELETE', `/servers/${guest.id}`);
    await until(`${guest.name} to be gone`, async () => (await this.api.insist('compute', 'GET', `/servers/${guest.id}`)).status === 404, 240_000, LOOK_MS);
  }

  async consoleLog(guest: Guest): Promise<string> {
    return (await this.call('compute', 'POST', `/servers/${guest.id}/action`, { 'os-getConsoleOutput': {} })).output;
  }

  async beginMigration(guest: Guest): Promise<void> {
    await this.call('compute', 'POST', `/servers/${guest.id}/action`, { 'os-migrateLive': { host: null, block_migration: 'auto' } });
  }

  async migration(guest: Guest): Promise<any> {
    return (await this.call('compute', 'GET', `/os-migrations?instance_uuid=${guest.id}`)).migrations[0];
  }

  /** Waits until nothing is under way with the guest, and tells how it ended. */
  async ended(guest: Guest, began: number, timeoutMs = 420_000): Promise<Ended> {
    const server = await until('the migration to end', async () => { const now = await this.server(guest.id); return now['OS-EXT-STS:task_state'] === null && now; }, timeoutMs, LOOK_MS);
    const seconds = (Date.now() - began) / 1000;
    return { status: (await this.migration(guest)).status, state: server.status, host: server['OS-EXT-SRV-ATTR:host'], fault: server.fault?.message, seconds };
  }

  /** libvirt's word on the guest's machine on a host; empty when it has none. */
  async standing(host: HostPlan, guest: Guest): Promise<string> {
    return (await runInHost(host, ['virsh', '--connect', 'qemu:///system', 'domstate', '--reason', guest.instanceName], 20_000, [0, 1]).catch(() => ({ stdout: '' }))).stdout.trim();
  }

  async rate(rate: string): Promise<void> {
    for (const host of this.site.hosts) await limitMigrationLink(host, rate);
  }

  /** Waits until nothing is wrong any more; gives what is wrong when that does not come. */
  async untilClean(timeoutMs = 120_000): Promise<string[]> {
    for (const end = Date.now() + timeoutMs; ;) {
      const answer = await postOverSocket(adminSocket(this.site, 'conductor'), '/verify', {}, 60_000).catch(() => undefined);
      const report = answer?.status === 200 ? (JSON.parse(answer.body) as VerifyReport) : undefined;
      if (report?.clean && report.violations.length === 0) return [];
      if (Date.now() > end) return report ? [...report.violations.map(({ sentence }) => sentence), ...report.unchecked.map(({ invariant, reason }) => `${invariant} not looked at: ${reason}`)] : ['the conductor does not answer'];
      await sleep(1000);
    }
  }

  /** kill -9 of a part, and the wait until its supervisor has it back. */
  async kill(name: string): Promise<void> {
    const part = partsOf(this.site, this.secrets).find((one) => one.name === name);
    const killed = part && killPart(this.site, part);
    if (!killed) throw new Error(`there is no part ${name} that runs.`);
    if (!(await killed)) throw new Error(`waited in vain for ${name} to be back`);
  }

  /** The conductor with other settings until the next `up`; undefined takes them back. */
  async setConductor(more: Record<string, string> | undefined): Promise<void> {
    const file = join(this.site.etc, 'conductor.env');
    const lines = readFileSync(file, 'utf8').split('\n').filter((line) => !line.endsWith('# trial') && line !== '');
    writeFileSync(file, [...lines, ...Object.entries(more ?? {}).map(([key, value]) => `${key}=${value} # trial`), ''].join('\n'));
    await this.kill('conductor');
  }
}
