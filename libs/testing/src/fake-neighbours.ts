import {
  agentGatewayContract, hostAgentContract, imageContract, networkAuditContract, networkContract, placementContract,
  type ConsoleProtocol, type FilterResult, type HostCommand, type HostFacts, type HostReport, type ImageFacts, type InstancePort, type MigrationStanding, type PlacementRequest, type RequestedNetwork, type Resources,
} from '@virga/contracts';
import { CloudError, conflict, newUuid, notFound } from '@virga/core';
import { groupAllows, groupLikes } from '@virga/domain';
import type { Bus, Client } from '@virga/rpc';

/** A scheduler in miniature: first host with room, exact books, the same refusals. */
export class FakePlacement {
  readonly hosts = new Map<string, { hostId: string; hostname: string; enabled: boolean; inventory: Resources; zone?: string }>();
  readonly claims = new Map<string, { hostId: string; resources: Resources; groupId?: string }>();
  /** Every call in order, for tests that count. */
  readonly log: string[] = [];
  /** Which of the hosts that are left is taken. */
  choose = <H>(hosts: readonly H[]): H | undefined => hosts[0];

  addHost(hostname: string, inventory: Resources = { vcpus: 64, memoryMb: 65_536, diskGb: 1000 }): string {
    const hostId = newUuid();
    this.hosts.set(hostId, { hostId, hostname, enabled: true, inventory });
    return hostId;
  }

  usedOn(hostId: string): Resources {
    const used = { vcpus: 0, memoryMb: 0, diskGb: 0 };
    for (const claim of this.claims.values()) {
      if (claim.hostId !== hostId) continue;
      used.vcpus += claim.resources.vcpus; used.memoryMb += claim.resources.memoryMb; used.diskGb += claim.resources.diskGb;
    }
    return used;
  }

  claim(request: PlacementRequest): { hostId: string; hostname: string } {
    this.log.push(`claim ${request.consumerId}`);
    const held = this.claims.get(request.consumerId);
    if (held) return { hostId: held.hostId, hostname: this.hosts.get(held.hostId)!.hostname };
    const filters: FilterResult[] = [];
    let left = [...this.hosts.values()];
    const filter = (name: string, reason: string, keep: (host: (typeof left)[number]) => boolean) => {
      const before = left.length;
      left = left.filter(keep);
      filters.push({ filter: name, before, removed: before - left.length, reason });
    };
    filter('ComputeFilter', 'disabled', ({ enabled }) => enabled);
    filter('AvailabilityZoneFilter', `not ${request.availabilityZone}`, ({ zone = 'nova' }) => request.availabilityZone === undefined || zone === request.availabilityZone);
    filter('AggregatesFilter', 'not in the aggregates', ({ hostId }) => request.aggregateHostIds === undefined || request.aggregateHostIds.includes(hostId));
    filter('ExcludedHosts', 'they have failed before', ({ hostId }) => !(request.excludeHostIds ?? []).includes(hostId));
    filter('RequestedHost', `not ${request.requestedHost}`, ({ hostId, hostname }) => request.requestedHost === undefined || [hostId, hostname].includes(request.requestedHost));
    const { group } = request;
    const members = group ? [...this.claims].filter(([consumer, { groupId }]) => groupId === group.id && !group.except.includes(consumer)).map(([, claim]) => claim.hostId) : [];
    filter('ServerGroupFilter', 'against the policy of the server group', ({ hostId }) => !group || group.force === true || groupAllows(group, members, hostId));
    filter('RamFilter', `${request.resources.memoryMb} MB asked for`, ({ hostId, inventory }) => this.usedOn(hostId).memoryMb + request.resources.memoryMb <= inventory.memoryMb);
    if (group) left.sort((a, b) => groupLikes(group, members, b.hostId) - groupLikes(group, members, a.hostId));
    const chosen = this.choose(left);
    if (!chosen) throw conflict('No valid host was found.', { type: 'NoValidHost', details: { filters } });
    this.claims.set(request.consumerId, { hostId: chosen.hostId, resources: request.resources, ...(group && { groupId: group.id }) });
    return { hostId: chosen.hostId, hostname: chosen.hostname };
  }

  private take({ hostId, hostname, enabled, inventory, availabilityZone: zone = 'nova' }: HostReport): void {
    this.hosts.set(hostId, { hostId, hostname, enabled, inventory, zone });
  }

  async serve(bus: Bus): Promise<void> {
    await bus.serve(placementContract, {
      claim: async (request) => this.claim(request),
      transfer: async ({ from, to, onHost }) => {
        this.log.push(`transfer ${from} ${to}`);
        const held = this.claims.get(from);
        if (onHost !== undefined && held?.hostId !== onHost) return { transferred: false };
        if (held) this.claims.set(to, held);
        return { transferred: this.claims.delete(from) };
      },
      release: async ({ consumerId }) => { this.log.push(`release ${consumerId}`); return { released: this.claims.delete(consumerId) }; },
      reportHost: async (report) => { this.take(report); return {}; },
      reportHosts: async ({ hosts }) => { hosts.forEach((report) => this.take(report)); return {}; },
      setHostZones: async ({ hosts }) => {
        for (const { hostId, availabilityZone } of hosts) Object.assign(this.hosts.get(hostId) ?? {}, { zone: availabilityZone });
        return {};
      },
      setHostEnabled: async ({ hostId, enabled }) => { const host = this.hosts.get(hostId); if (host) host.enabled = enabled; return {}; },
      removeHost: async ({ hostId }) => { this.hosts.delete(hostId); return {}; },
      whoAnswers: async () => ({ hostname: 'scheduler1' }),
      hosts: async () => ({
        hosts: [...this.hosts.values()].map((host) => ({ ...host, availabilityZone: 'nova', alive: true, used: this.usedOn(host.hostId) })),
      }),
      allocations: async ({ hostId }) => ({
        allocations: [...this.claims].filter(([, claim]) => hostId === undefined || claim.hostId === hostId).map(([consumerId, claim]) => ({ consumerId, ...claim })),
      }),
    });
  }
}

export interface FakeNetworkSpec { id: string; name: string; projectId?: string; cidrPrefix: string }

/** Networks with a /24 each, ports in memory, neutron's refusals. */
export class FakeNetwork {
  readonly networks = new Map<string, FakeNetworkSpec>();
  readonly ports = new Map<string, InstancePort & { instanceId: string | null; projectId: string; hostId?: string; hostname?: string; nextHostname?: string }>();
  /** What the service would find when it compares OVN with its tables. */
  readonly audit = { differing: [] as string[], stale: [] as string[], danglingFloatingIps: [] as string[], queued: 0, oldestQueuedSeconds: 0 };
  readonly securityGroups = new Map<string, string>([['default', newUuid()]]);
  /** By instance; the default group where nobody changed it. */
  readonly groupsOf = new Map<string, string[]>();
  private next = 10;

  addNetwork(name: string, projectId?: string): string {
    const id = newUuid();
    this.networks.set(id, { id, name, ...(projectId !== undefined && { projectId }), cidrPrefix: `10.${this.networks.size + 10}.0` });
    return id;
  }

  /** A port as a user makes it. */
  addPort(networkId: string, projectId: string, ipAddress?: string): string {
    return this.makePort(this.networks.get(networkId)!, projectId, null, ipAddress, false).portId;
  }

  private makePort(network: FakeNetworkSpec, projectId: string, instanceId: string | null, ipAddress: string | undefined, owned: boolean) {
    const address = ipAddress ?? `${network.cidrPrefix}.${this.next++}`;
    const port = {
      portId: newUuid(), networkId: network.id, networkName: network.name, macAddress: `fa:16:3e:00:00:${(this.ports.size + 16).toString(16).slice(-2)}`, mtu: 1442,
      fixedIps: [{
        ipAddress: address, subnetId: newUuid(), cidr: `${network.cidrPrefix}.0/24`, version: 4 as const, gatewayIp: `${network.cidrPrefix}.1`, dnsNameservers: ['9.9.9.9'],
        hostRoutes: [], dhcp: true,
      }],
      ownedByInstance: owned, status: 'DOWN', instanceId, projectId,
    };
    this.ports.set(port.portId, port);
    return port;
  }

  private visible(projectId: string | null): FakeNetworkSpec[] {
    return [...this.networks.values()].filter((network) => network.projectId === undefined || network.projectId === projectId);
  }

  portsOf(instanceId: string): InstancePort[] {
    return [...this.ports.values()].filter((port) => port.instanceId === instanceId);
  }

  private resolve(projectId: string | null, requested: 'auto' | RequestedNetwork[], count: number): RequestedNetwork[] {
    if (requested === 'auto') {
      const visible = this.visible(projectId);
      if (visible.length > 1) throw conflict('Multiple possible networks found, use a Network ID to be more specific.', { type: 'NetworkAmbiguous' });
      return visible.map(({ id }) => ({ networkId: id }));
    }
    for (const { networkId, portId, fixedIp } of requested) {
      if (networkId !== undefined && !this.visible(projectId).some(({ id }) => id === networkId)) throw notFound(`Network ${networkId} could not be found.`, { type: 'NetworkNotFound' });
      if (fixedIp !== undefined && [...this.ports.values()].some((port) => port.fixedIps.some(({ ipAddress }) => ipAddress === fixedIp))) {
        throw conflict(`IP address ${fixedIp} already allocated in subnet`, { type: 'IpAddressInUse' });
      }
      if (portId !== undefined) {
        const port = this.ports.get(portId);
        if (!port || port.projectId !== projectId) throw notFound(`Port ${portId} could not be found.`, { type: 'PortNotFound' });
        if (port.instanceId !== null) throw conflict(`Port ${portId} is still in use.`, { type: 'PortInUse' });
      }
      if (count > 1 && (portId !== undefined || fixedIp !== undefined)) throw new CloudError('badRequest', 'A port or a fixed IP forbids more than one instance.', { type: 'InvalidFixedIpAndMaxCountRequest' });
    }
    return requested;
  }

  async serve(bus: Bus): Promise<void> {
    await bus.serve(networkAuditContract, {
      computePorts: async () => ({
        ports: [...this.ports.values()].flatMap(({ portId, instanceId, hostname = '', nextHostname = '', status, ownedByInstance }) => (instanceId === null ? [] : [{ portId, instanceId, hostname, nextHostname, status, ownedByInstance }])),
      }),
      audit: async () => this.audit,
      reconcile: async () => { this.audit.differing.length = 0; this.audit.stale.length = 0; return {}; },
    });
    const bound = (instanceId: string) => ({ ports: this.portsOf(instanceId).map((port) => strip(port)) });
    await bus.serve(networkContract, {
      resolveRequested: async ({ actor, requested, securityGroups, count }) => ({
        networks: this.resolve(actor.projectId, requested, count),
        securityGroupIds: securityGroups.map((name) => {
          const id = this.securityGroups.get(name);
          if (id === undefined) throw notFound(`Security group ${name} not found for project ${actor.projectId}.`, { type: 'SecurityGroupNotFound' });
          return id;
        }),
        newPorts: 0,
      }),
      allocatePorts: async ({ actor, instanceId, networks }) => {
        if (this.portsOf(instanceId).length === 0) {
          for (const { networkId, portId, fixedIp } of networks) {
            if (portId !== undefined) this.ports.get(portId)!.instanceId = instanceId;
            else this.makePort(this.networks.get(networkId!)!, actor.projectId!, instanceId, fixedIp, true);
          }
        }
        return bound(instanceId);
      },
      bindPorts: async ({ instanceId, hostId, hostname, next }) => {
        for (const port of this.ports.values()) if (port.instanceId === instanceId) Object.assign(port, { hostId, hostname, nextHostname: next?.hostname ?? '' });
        return bound(instanceId);
      },
      releasePorts: async ({ instanceId }) => {
        for (const [id, port] of this.ports) {
          if (port.instanceId !== instanceId) continue;
          if (port.ownedByInstance) this.ports.delete(id);
          else { port.instanceId = null; delete port.hostId; }
        }
        return {};
      },
      attachPort: async ({ actor, instanceId, network: { networkId, portId, fixedIp }, newPortId }) => {
        if (portId !== undefined) this.ports.get(portId)!.instanceId = instanceId;
        else if (!this.ports.has(newPortId)) {
          const made = this.makePort(this.networks.get(networkId!)!, actor.projectId!, instanceId, fixedIp, true);
          this.ports.delete(made.portId);
          this.ports.set(newPortId, { ...made, portId: newPortId });
        }
        return { port: strip(this.ports.get(portId ?? newPortId)!) };
      },
      changeSecurityGroup: async ({ actor, instanceId, group, present }) => {
        if (!this.securityGroups.has(group)) throw notFound(`Security group ${group} not found for project ${actor.projectId}.`, { type: 'SecurityGroupNotFound' });
        if (this.portsOf(instanceId).length === 0) throw new CloudError('badRequest', 'No port.', { type: 'SecurityGroupCannotBeApplied' });
        const groups = this.groupsOf.get(instanceId) ?? ['default'];
        this.groupsOf.set(instanceId, present ? [...new Set([...groups, group])] : groups.filter((name) => name !== group));
        return { name: group };
      },
      releasePort: async ({ instanceId, portId }) => {
        const port = this.ports.get(portId);
        if (port?.instanceId !== instanceId) return {};
        if (port.ownedByInstance) this.ports.delete(portId);
        else { port.instanceId = null; delete port.hostId; }
        return {};
      },
      instancePorts: async ({ instanceId }) => bound(instanceId),
      describeSecurityGroups: async ({ instanceId }) => ({
        groups: this.portsOf(instanceId).length === 0 ? [] : [{
          id: this.securityGroups.get('default')!, name: 'default', description: 'd', projectId: 'p',
          rules: [
            { id: 'r1', direction: 'ingress', ethertype: 'IPv4', protocol: 'tcp', portMin: 80, portMax: 80, remoteIpPrefix: '0.0.0.0/0', remoteGroup: null },
            { id: 'r2', direction: 'ingress', ethertype: 'IPv6', protocol: null, portMin: null, portMax: null, remoteIpPrefix: null, remoteGroup: { name: 'default', projectId: 'p' } },
            { id: 'r3', direction: 'egress', ethertype: 'IPv4', protocol: null, portMin: null, portMax: null, remoteIpPrefix: null, remoteGroup: null },
          ],
        }],
      }),
      instanceSecurityGroups: async ({ instanceIds }) => ({
        groups: Object.fromEntries(instanceIds.filter((id) => this.portsOf(id).length > 0).map((id) => [id, this.groupsOf.get(id) ?? ['default']])),
      }),
    });
  }
}

function strip(port: InstancePort): InstancePort {
  const { portId, networkId, networkName, macAddress, mtu, fixedIps, ownedByInstance, status } = port;
  return { portId, networkId, networkName, macAddress, mtu, fixedIps, ownedByInstance, status };
}

export class FakeImages {
  readonly images = new Map<string, ImageFacts>();

  add(facts: Partial<ImageFacts> = {}): string {
    const id = facts.id ?? newUuid();
    this.images.set(id, {
      id, name: 'tiny', status: 'active', diskFormat: 'qcow2', containerFormat: 'bare', sizeBytes: 1_000_000, virtualSizeBytes: 10_000_000, sha512: 'ab'.repeat(64),
      minDisk: 0, minRam: 0, properties: {}, ...facts,
    });
    return id;
  }

  async serve(bus: Bus): Promise<void> {
    const find = (imageId: string) => {
      const image = this.images.get(imageId);
      if (!image) throw notFound(`No image found with ID ${imageId}`);
      return image;
    };
    await bus.serve(imageContract, {
      get: async ({ imageId }) => find(imageId),
      issueDownloadTicket: async ({ imageId }) => {
        const { sizeBytes, sha512, diskFormat } = find(imageId);
        return { url: `http://127.0.0.1:9293/images/${imageId}`, ticket: newUuid(), expiresAt: Date.now() + 60_000, sizeBytes, sha512, diskFormat };
      },
      createForSnapshot: async ({ imageId: id, name, diskFormat, containerFormat, minDisk, minRam, properties }) => {
        if (!this.images.has(id)) this.add({ id, name, status: 'queued', diskFormat, containerFormat, sizeBytes: 0, virtualSizeBytes: null, sha512: '', minDisk, minRam, properties });
        return find(id);
      },
      issueUploadTicket: async ({ imageId, maxBytes }) => ({
        url: `http://127.0.0.1:9293/data/${imageId}`, ticket: newUuid(), expiresAt: Date.now() + 60_000, maxBytes, stored: find(imageId).status === 'active',
      }),
      dropOldBackups: async ({ instanceId, backupType, keep }) => {
        const backups = [...this.images.values()].filter(({ status, properties }) => status === 'active' && properties.instance_uuid === instanceId && properties.backup_type === backupType);
        const removed = backups.reverse().slice(keep).map(({ id }) => id);
        for (const id of removed) this.images.delete(id);
        return { removed };
      },
      discardSnapshot: async ({ imageId }) => ({ removed: this.images.get(imageId)?.status === 'queued' && this.images.delete(imageId) }),
    });
  }
}

/** What a fake host does with a command: done at once, never answered, or refused with a sentence. */
export type Behaviour = 'ok' | 'silent' | { fail: string };

/** An agent with a fake hypervisor: keeps domains by power state, answers from a journal, can be told to fail or to stay silent. */
export class FakeAgent {
  readonly domains = new Map<string, number>();
  readonly executed: HostCommand[] = [];
  /** Ids of images that it was told to fetch in advance. */
  readonly fetched: string[] = [];
  /** By verb; what is not named is done at once. */
  readonly behaviour: Partial<Record<string, Behaviour>> = {};
  console = 'booted\n';
  /** Through what each guest can be seen. */
  consoleProtocols: ConsoleProtocol[] = ['vnc', 'serial'];
  /** Consoles that the control plane has let someone open. */
  readonly grants: { instanceId: string; protocol: ConsoleProtocol; grantHash: string }[] = [];
  /** Where consoles are reached, as facts tell. */
  agentUrl: string | undefined;
  private readonly generations = new Map<string, number>();
  /** Why it receives no guest, and which images it would have to fetch. */
  migrationReasons: string[] = [];
  absentImages: string[] = [];
  /** Guests whose incoming connection it was told to close. */
  readonly streamsDropped: string[] = [];
  /** Where guests that leave here arrive: other agents by the uri that they tell. */
  static readonly reachable = new Map<string, FakeAgent>();
  private readonly gateway: Client<typeof agentGatewayContract>;
  private readonly journal = new Map<string, Promise<{ ok: boolean; result?: unknown; error?: { message: string; retryable: boolean } }>>();
  private sequence = 0;

  /** `bus` must send as `agent-<hostId>`. */
  constructor(private readonly bus: Bus, readonly hostId: string, readonly hostname: string, readonly totals: Resources = { vcpus: 64, memoryMb: 65_536, diskGb: 1000 }) {
    this.gateway = bus.client(agentGatewayContract);
  }

  get migrationUri(): string {
    return `qemu+tls://${this.hostname}.${this.hostId}/system`;
  }

  facts(): HostFacts {
    return {
      hostId: this.hostId, hostname: this.hostname, hypervisorType: 'fake', hypervisorVersion: 1000, hostIp: '127.0.0.1', cpuInfo: '{"arch": "x86_64"}',
      migrationUri: this.migrationUri, totals: this.totals, traits: [], simulated: true, ...(this.agentUrl !== undefined && { agentUrl: this.agentUrl }),
    };
  }

  async start(): Promise<void> {
    await this.bus.serve(hostAgentContract, {
      execute: async (command) => {
        // As the real agent: what is older than what the host has seen of the instance is refused without a report.
        const newest = this.generations.get(command.instanceId) ?? 0;
        if (command.generation < newest) return;
        this.generations.set(command.instanceId, command.generation);
        this.executed.push(command);
        await this.report(command);
      },
      cancelCommand: async ({ commandId }) => {
        const command = this.executed.find((candidate) => candidate.commandId === commandId);
        if (!command || this.journal.has(commandId)) return {};
        this.journal.set(commandId, Promise.resolve({ ok: false, error: { message: 'Cancelled.', retryable: false } }));
        await this.report(command, 'ok');
        return {};
      },
      consoleOutput: async ({ instanceId, lines }) => {
        if (!this.domains.has(instanceId)) throw notFound('No such instance here.');
        const all = this.console.split('\n');
        return { outputBase64: Buffer.from((lines === undefined ? all : all.slice(-lines)).join('\n')).toString('base64') };
      },
      dropMigrationStream: async ({ instanceId }) => { this.streamsDropped.push(instanceId); return { dropped: 1 }; },
      checkMigration: async () => ({ reasons: this.migrationReasons, absentImages: this.absentImages }),
      fetchImages: async ({ images }) => { this.fetched.push(...images.map(({ id }) => id)); },
      consoles: async ({ instanceId }) => {
        if (!this.domains.has(instanceId)) throw notFound('No such instance here.');
        return { protocols: this.consoleProtocols, running: this.domains.get(instanceId) === 1 };
      },
      grantConsole: async ({ instanceId, protocol, grantHash }): Promise<{ state: 'ready' | 'off' | 'absent' }> => {
        if (!this.domains.has(instanceId)) throw notFound('No such instance here.');
        if (!this.consoleProtocols.includes(protocol)) return { state: 'absent' };
        if (this.domains.get(instanceId) === 4) return { state: 'off' };
        this.grants.push({ instanceId, protocol, grantHash });
        return { state: 'ready' };
      },
      diagnostics: async () => ({
        diagnostics: {
          state: 'running', cpu_details: [{ id: 0, time: 5 }], disk_details: [{ read_bytes: 1, read_requests: 2, write_bytes: 3, write_requests: 4, errors_count: null }],
          nic_details: [{ rx_octets: 7, rx_errors: 0, rx_drop: 0, rx_packets: 1, tx_octets: 8, tx_errors: 0, tx_drop: 0, tx_packets: 1 }], memory_details: { maximum: 64, used: 1 },
        },
      }),
      inventory: async () => ({
        holdings: [...this.domains].map(([instanceId, powerState]) => ({
          instanceId, powerState, directory: true, taps: [], busy: false,
          generation: Math.max(0, ...this.executed.filter((command) => command.instanceId === instanceId).map(({ generation }) => generation)),
        })),
        aside: [...this.aside.keys()].map((instanceId) => ({ instanceId, generation: this.generations.get(instanceId) ?? 0, busy: false })),
        metadataNetworks: [], baseImages: { inUse: [], idle: [] }, loose: { taps: [], metadataNetworks: [], metadataProxies: 0 },
      }),
      cleanup: async ({ instanceId, aside }) => {
        if (instanceId !== undefined) (aside ? this.aside : this.domains).delete(instanceId);
        return {};
      },
    }, { hostId: this.hostId });
    await this.heartbeat();
  }

  heartbeat(): Promise<{ intervalMs: number; leaseMs: number }> {
    return this.gateway.heartbeat({
      facts: this.facts(), usage: { memoryMbUsed: 0, diskGbUsed: 0, runningInstances: this.domains.size, load: '0.00' },
      instances: [...this.domains].map(([instanceId, powerState]) => ({ instanceId, powerState })), sequence: ++this.sequence,
    });
  }

  /** The guest changes its power state by itself, and the host tells. */
  async guestChanges(instanceId: string, powerState: number): Promise<void> {
    this.domains.set(instanceId, powerState);
    await this.gateway.instanceEvent({ hostId: this.hostId, instanceId, powerState, reason: 'guest', sequence: ++this.sequence });
  }

  /** Says how a command ended; again for a repeat of the message, with the same answer. */
  async report(command: HostCommand, behaviour: Behaviour = this.behaviour[command.verb] ?? 'ok'): Promise<void> {
    if (behaviour === 'silent') return;
    let outcome = this.journal.get(command.commandId);
    if (!outcome) this.journal.set(command.commandId, (outcome = this.act(command, behaviour)));
    await this.gateway.report({
      hostId: this.hostId, commandId: command.commandId, operationId: command.operationId, instanceId: command.instanceId, generation: command.generation, ...(await outcome),
    });
  }

  /** Where guests stand that come here, when it is not to follow from what the host has. */
  readonly arrivals = new Map<string, { standing: MigrationStanding; powerState: number }>();
  private readonly prepared = new Set<string>();
  /** Guests whose disks are kept aside, by the id of their migration. */
  readonly aside = new Map<string, string>();
  /** Guests whose disks have come, without a machine yet. */
  readonly received = new Map<string, unknown>();

  /** Verbs of a cold move. */
  private moveCold({ verb, instanceId, args }: HostCommand): { ok: boolean; result?: unknown; error?: { message: string; retryable: boolean } } | undefined {
    const refuse = (message: string) => ({ ok: false, error: { message, retryable: false } });
    const { spec, start, migrationId } = args as { spec?: unknown; start?: boolean; migrationId?: string };
    switch (verb) {
      case 'prepareMove': return this.domains.has(instanceId) ? refuse('it has a machine of the instance already') : { ok: true, result: {} };
      case 'putAside':
        if (this.domains.get(instanceId) !== 4) return refuse('the guest is not off');
        this.domains.delete(instanceId);
        this.aside.set(instanceId, migrationId!);
        return { ok: true, result: { powerState: 0 } };
      case 'receiveDisks': this.received.set(instanceId, spec); return { ok: true, result: {} };
      case 'startMoved':
        if (!this.received.has(instanceId)) return refuse('its disk is not here');
        return this.moved(instanceId, start ? 1 : 4);
      case 'bringBack':
        if (!this.aside.delete(instanceId) && !this.domains.has(instanceId)) return refuse('its disk is not here');
        this.received.set(instanceId, spec);
        return this.moved(instanceId, start ? 1 : 4);
      case 'discardAside': this.aside.delete(instanceId); return { ok: true, result: {} };
      default: return undefined;
    }
  }

  /** Verbs of a live migration, the guest included. */
  private move({ verb, instanceId, args }: HostCommand): { ok: boolean; result?: unknown; error?: { message: string; retryable: boolean } } | undefined {
    if (verb === 'prepareMigration') {
      this.prepared.add(instanceId);
      FakeAgent.reachable.set(this.migrationUri, this);
      return { ok: true, result: { places: { instance: `/instances/${instanceId}`, images: '/base' } } };
    }
    if (verb === 'migrateLive') {
      const other = FakeAgent.reachable.get((args as { destination: { uri: string } }).destination.uri);
      if (!other?.prepared.has(instanceId) || !this.domains.has(instanceId)) return { ok: false, error: { message: 'not prepared', retryable: false } };
      other.domains.set(instanceId, this.domains.get(instanceId)!);
      this.domains.delete(instanceId);
      return { ok: true, result: { outcome: 'moved', reason: 'pre-copy' } };
    }
    if (verb !== 'finishMigration') return undefined;
    return { ok: true, result: this.arrivals.get(instanceId) ?? { standing: this.domains.has(instanceId) ? 'here' : 'gone', powerState: this.domains.get(instanceId) ?? 0 } };
  }

  private async act(command: HostCommand, behaviour: Behaviour): Promise<{ ok: boolean; result?: unknown; error?: { message: string; retryable: boolean } }> {
    if (typeof behaviour === 'object') return { ok: false, error: { message: behaviour.fail, retryable: true } };
    const { verb, instanceId, args } = command;
    const moved = this.move(command) ?? this.moveCold(command);
    if (moved) return moved;
    if (verb === 'rebuild') return this.moved(instanceId, (args as { start: boolean }).start ? 1 : 4);
    const after: Record<string, number | undefined> = { build: 1, start: 1, stop: 4, reboot: 1, pause: 3, unpause: 1, suspend: 4, resume: 1 };
    if (verb === 'attachNic' || verb === 'detachNic' || verb === 'snapshot') return { ok: true, result: { powerState: this.domains.get(instanceId) ?? 0 } };
    if (verb === 'destroy') {
      this.received.delete(instanceId);
      if (!(args as { keepAside?: boolean }).keepAside) this.aside.delete(instanceId);
      this.domains.delete(instanceId);
    }
    else if (verb !== 'build' && !this.domains.has(instanceId)) return { ok: false, error: { message: 'no such domain', retryable: false } };
    else this.domains.set(instanceId, after[verb]!);
    return { ok: true, result: { powerState: after[verb] ?? 0 } };
  }

  private moved(instanceId: string, powerState: number): { ok: boolean; result: unknown } {
    this.domains.set(instanceId, powerState);
    return { ok: true, result: { powerState } };
  }

  /** For tests of the gateway itself. */
  get client(): Client<typeof agentGatewayContract> {
    return this.gateway;
  }

  close(): Promise<void> {
    return this.bus.close();
  }
}
