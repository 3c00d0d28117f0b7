import { agentGatewayContract, hostAgentContract, type ConsoleProtocol, type HostCommand, type HostFacts, type MigrationStanding, type Resources } from '@virga/contracts';
import { notFound } from '@virga/core';
import type { Bus, Client } from '@virga/rpc';

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
  /** What it waits for before it says whether a guest can be seen. */
  grantsAfter: Promise<void> | undefined;
  /** Where consoles are reached, as facts tell. */
  agentUrl: string | undefined;
  private readonly generations = new Map<string, number>();
  /** Why it receives no guest, and which images it would have to fetch. */
  migrationReasons: string[] = [];
  absentImages: string[] = [];
  /** Its instances' disks are on storage that all fake hosts have for which this is true. */
  sharesStorage = false;
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
      migrationUri: this.migrationUri, totals: this.totals, traits: [], simulated: true, ...(this.sharesStorage && { storageMark: `mark of ${this.hostId}` }), ...(this.agentUrl !== undefined && { agentUrl: this.agentUrl }),
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
      checkMigration: async ({ comesFrom }) => ({
        reasons: this.migrationReasons, absentImages: this.absentImages, sharesDisks: this.sharesStorage && comesFrom?.storageMark === `mark of ${comesFrom?.hostId}`,
      }),
      fetchImages: async ({ images }) => { this.fetched.push(...images.map(({ id }) => id)); },
      consoles: async ({ instanceId }) => {
        if (!this.domains.has(instanceId)) throw notFound('No such instance here.');
        return { protocols: this.consoleProtocols, running: this.domains.get(instanceId) === 1 };
      },
      grantConsole: async ({ instanceId, protocol, grantHash, onlyRunning }): Promise<{ state: 'ready' | 'off' | 'absent' }> => {
        await this.grantsAfter;
        if (!this.domains.has(instanceId)) throw notFound('No such instance here.');
        if (!this.consoleProtocols.includes(protocol)) return { state: 'absent' };
        if (this.domains.get(instanceId) === 4 || (onlyRunning === true && this.domains.get(instanceId) !== 1)) return { state: 'off' };
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
