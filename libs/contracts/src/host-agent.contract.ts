import { Type, type Static } from '@sinclair/typebox';
import { call, cast, defineContract } from '@virga/rpc';
import { ConsoleProtocolName } from './console.contract';
import { InstancePort } from './network.contract';
import { ImageFacts } from './image.contract';

export const FlavorFacts = Type.Object({
  vcpus: Type.Integer({ minimum: 1 }),
  memoryMb: Type.Integer({ minimum: 1 }),
  /** GB; 0 = the image's own size. */
  rootGb: Type.Integer({ minimum: 0 }),
  ephemeralGb: Type.Integer({ minimum: 0 }),
  swapMb: Type.Integer({ minimum: 0 }),
  extraSpecs: Type.Record(Type.String(), Type.String()),
});

/**
 * All that an agent needs to make an instance, except what may be secret (user data, metadata documents): that it
 * fetches by `instanceMetadata` of the gateway, so that it never lies in a queue.
 */
export const BuildSpec = Type.Object({
  instanceId: Type.String(),
  /** Name of the domain on the host, e.g. instance-0000002a. */
  instanceName: Type.String(),
  displayName: Type.String(),
  hostname: Type.String(),
  projectId: Type.String(),
  userId: Type.String(),
  flavor: FlavorFacts,
  image: ImageFacts,
  kernelImage: Type.Optional(ImageFacts),
  ramdiskImage: Type.Optional(ImageFacts),
  configDrive: Type.Boolean(),
  ports: Type.Array(InstancePort),
});
export type BuildSpec = Static<typeof BuildSpec>;

const Empty = Type.Object({});

/** Where a host keeps what guests' disks and files lie in; not the same on all hosts. */
export const GuestPlaces = Type.Object({
  /** The instance's own directory. */
  instance: Type.String({ pattern: '^/' }),
  /** The cache of base images. */
  images: Type.String({ pattern: '^/' }),
  /** The mark that the guest's source has left on the storage of this host's disks: with the right one both have the same disks. */
  storageSeen: Type.Optional(Type.String()),
  /** Where the host takes what belongs to a guest besides its disks. */
  server: Type.Optional(Type.Object({ hostId: Type.String(), agentUrl: Type.String() })),
});
export type GuestPlaces = Static<typeof GuestPlaces>;

/** What a live migration may cost (see `decideMigration` of @virga/domain). */
export const MigrationLimits = Type.Object({
  maxDowntimeMs: Type.Integer({ minimum: 1 }), deadlineMs: Type.Integer({ minimum: 1 }), postCopy: Type.Boolean(),
  /** How long what broke after the switch to post-copy is taken up again and again, ms. */
  recoverMs: Type.Optional(Type.Integer({ minimum: 1 })),
});
export type MigrationLimits = Static<typeof MigrationLimits>;

/** How a live migration has ended, as its source saw it. */
export const MigrationOutcome = Type.Object({
  /**
   * `moved`: the guest runs at the destination. `broken`: after the switch to post-copy the rest of its memory did not arrive; it
   * runs nowhere and is started nowhere. `doubtful`: the source cannot tell, and did not start it again.
   */
  outcome: Type.Union([Type.Literal('moved'), Type.Literal('broken'), Type.Literal('doubtful')]),
  reason: Type.String(),
});
export type MigrationOutcome = Static<typeof MigrationOutcome>;

/**
 * Where a machine stands at one end of a migration. `here`: whole, running or paused by its user. `gone`: it has left, or was never
 * here. `off`: no process. `doubtful`: stopped for the migration, which has ended without saying how. `broken`: its memory is
 * divided between two hosts, and nothing moves the rest. `moving`: under way.
 */
export const MigrationStanding = Type.Union((['here', 'gone', 'off', 'doubtful', 'broken', 'moving'] as const).map((word) => Type.Literal(word)));
export type MigrationStanding = Static<typeof MigrationStanding>;

/** Verbs of a host with their arguments. Each is idempotent; a repeat of a command is answered from the journal. */
export const HOST_VERBS = {
  /** Image, disks, config drive, taps, domain; started at the end. */
  build: BuildSpec,
  /** Domain, taps, disks and directory gone, and unless told otherwise what was put aside; a missing instance is success. */
  destroy: Type.Object({ keepAside: Type.Optional(Type.Boolean()), /** Those on shared storage stay, for another host. */ keepDisks: Type.Optional(Type.Boolean()) }),
  /** Receives a guest: its image, empty disks, cards; answers with {@link GuestPlaces}. Undone by `destroy`. */
  prepareMigration: Type.Intersect([BuildSpec, Type.Object({ /** Id of the host that may bring what belongs to the guest. */ comesFrom: Type.Optional(Type.String()) })]),
  /**
   * Moves the running guest to another host that is prepared, watches over it and answers with {@link MigrationOutcome}. Fails when
   * the guest stayed here, whole and running. Heeds being cancelled until the switch to post-copy.
   */
  migrateLive: Type.Object({
    migrationId: Type.String(),
    /** Another attempt is begun anew; a repeat of the same one goes on with what was begun. */
    attempt: Type.Optional(Type.Integer({ minimum: 1 })),
    destination: Type.Object({ uri: Type.String({ pattern: '^qemu\\+tls://' }), address: Type.String(), places: GuestPlaces }), limits: MigrationLimits,
  }),
  /**
   * At the destination: waits while the guest still arrives and tells where it stands, `{ standing: MigrationStanding, powerState }`. One
   * that is `here` is this host's from now on.
   */
  finishMigration: Empty,
  /** Makes sure that the guest could come: its images are here, there is room on the disk and no machine of it. Changes nothing else. */
  prepareMove: BuildSpec,
  /**
   * The guest, which is off, is no longer on this host: no machine and no cards, its disks are kept aside, and `toHostId`, if another
   * host is to have them, may read them. Undone by `bringBack`.
   */
  putAside: Type.Object({ migrationId: Type.String(), toHostId: Type.Optional(Type.String()) }),
  /** Fetches the disks that were put aside, from another host or from this one, and makes them as large as the spec says; never smaller. */
  receiveDisks: Type.Object({ spec: BuildSpec, from: Type.Optional(Type.Object({ hostId: Type.String(), agentUrl: Type.Optional(Type.String({ maxLength: 255 })) })) }),
  /** Makes the machine around disks that are here, and starts it when asked. */
  startMoved: Type.Object({ spec: BuildSpec, start: Type.Boolean() }),
  /** What was put aside is the guest again, and is started when asked; also when it has been brought back already. */
  bringBack: Type.Object({ spec: BuildSpec, start: Type.Boolean() }),
  /** Throws away what was put aside; nothing is success. */
  discardAside: Empty,
  start: Empty,
  /** ACPI first, then off by force after `timeoutSeconds`. */
  stop: Type.Object({ timeoutSeconds: Type.Integer({ minimum: 0 }) }),
  reboot: Type.Object({ type: Type.Union([Type.Literal('SOFT'), Type.Literal('HARD')]), timeoutSeconds: Type.Integer({ minimum: 0 }) }),
  pause: Empty,
  unpause: Empty,
  /** Memory to disk, domain off. */
  suspend: Empty,
  resume: Empty,
  /** Connects one more card, also to a running guest. */
  attachNic: Type.Object({ port: InstancePort }),
  /** Takes a card away, also from a running guest, which must let go of it; one that is not there is success. */
  detachNic: Type.Object({ portId: Type.String() }),
  /** New disks from the spec's image in place of the old ones, in the same place with the same cards; started when asked. */
  rebuild: Type.Object({ spec: BuildSpec, preserveEphemeral: Type.Boolean(), start: Type.Boolean() }),
  /** The root disk as it is at one moment, flattened to qcow2 and brought to the image service as the data of `imageId`. */
  snapshot: Type.Object({ imageId: Type.String() }),
} as const;
export type HostVerb = keyof typeof HOST_VERBS;
export type HostVerbArgs<V extends HostVerb> = Static<(typeof HOST_VERBS)[V]>;

/** nova's numbers. */
export const POWER_STATE = { noState: 0, running: 1, paused: 3, shutdown: 4, crashed: 6, suspended: 7 } as const;
export const PowerState = Type.Integer({ minimum: 0, maximum: 7 });

export const HostCommand = Type.Object({
  commandId: Type.String(),
  operationId: Type.String(),
  step: Type.String(),
  /** Fencing token of the instance: an agent refuses one that is older than the newest it has seen for the instance. */
  generation: Type.Integer(),
  instanceId: Type.String(),
  verb: Type.String(),
  args: Type.Unknown(),
  requestId: Type.Optional(Type.String()),
});
export type HostCommand = Static<typeof HostCommand>;

/** Something of an instance that a host has, whether or not it should. */
export const HostHolding = Type.Object({
  instanceId: Type.String(),
  /** Absent when there is no machine. */
  powerState: Type.Optional(PowerState),
  directory: Type.Boolean(),
  /** Names of cards on the integration bridge. */
  taps: Type.Array(Type.String()),
  /** The newest fencing token that the host has seen for the instance; 0 when it has seen none. */
  generation: Type.Integer(),
  /** A command of the instance is being carried out. */
  busy: Type.Boolean(),
});
export type HostHolding = Static<typeof HostHolding>;

export const HostInventory = Type.Object({
  holdings: Type.Array(HostHolding),
  /** Instances whose disks are kept aside here, until their move is confirmed. */
  aside: Type.Optional(Type.Array(Type.Object({ instanceId: Type.String(), generation: Type.Integer(), busy: Type.Boolean() }))),
  /** Networks whose metadata service runs here. */
  metadataNetworks: Type.Array(Type.String()),
  /** What no instance here needs: cards that no instance has, metadata services of other networks, superfluous proxies of theirs. */
  loose: Type.Object({ taps: Type.Array(Type.String()), metadataNetworks: Type.Array(Type.String()), metadataProxies: Type.Integer() }),
  /** Files of the image cache that an instance here is built on, and those that none needs. */
  baseImages: Type.Object({ inUse: Type.Array(Type.String()), idle: Type.Array(Type.String()) }),
});
export type HostInventory = Static<typeof HostInventory>;

/** Served by each agent on `host.<host id>`. */
export const hostAgentContract = defineContract('host-agent', {
  execute: cast(HostCommand),
  /**
   * Ends a command that runs here or waits its turn, where its verb allows that; its report tells how it has ended. One that has
   * ended already, or has not come yet, is left as it is: whoever wants it ended asks until there is a report.
   */
  cancelCommand: call(Type.Object({ instanceId: Type.String(), commandId: Type.String() }), Empty, 5000),
  /** The last `lines` lines (all when absent) of the guest's serial output; base64, because a guest may print any byte. */
  consoleOutput: call(
    Type.Object({ instanceId: Type.String(), lines: Type.Optional(Type.Integer()) }),
    Type.Object({ outputBase64: Type.String() }),
  ),
  /** What the guest can be seen through, and whether it is on. */
  consoles: call(Type.Object({ instanceId: Type.String() }), Type.Object({ protocols: Type.Array(ConsoleProtocolName), running: Type.Boolean() })),
  /**
   * Lets the bearer of a secret (its SHA-256 is given) open one connection to a console within `ttlMs`: a proxy's
   * certificate alone opens none. notFound when the instance is not here. With `onlyRunning` a guest that is paused counts as off: one
   * that is on its way here is.
   */
  grantConsole: call(
    Type.Object({ instanceId: Type.String(), protocol: ConsoleProtocolName, grantHash: Type.String({ pattern: '^[0-9a-f]{64}$' }), ttlMs: Type.Integer({ minimum: 1, maximum: 60_000 }), onlyRunning: Type.Optional(Type.Boolean()) }),
    Type.Object({ state: Type.Union([Type.Literal('ready'), Type.Literal('off'), Type.Literal('absent')]) }),
  ),
  diagnostics: call(Type.Object({ instanceId: Type.String() }), Type.Object({ diagnostics: Type.Record(Type.String(), Type.Unknown()) })),
  /** Fetches images into the host's cache before an instance needs them; what is there already is not fetched again. */
  fetchImages: cast(Type.Object({ images: Type.Array(ImageFacts) })),
  /** Every reason for which the host could not receive the guest; `absentImages` are those that it would have to fetch. Changes nothing. */
  checkMigration: call(
    Type.Object({ spec: BuildSpec, comesFrom: Type.Optional(Type.Object({ hostId: Type.String(), storageMark: Type.Optional(Type.String()) })) }),
    Type.Object({ reasons: Type.Array(Type.String()), absentImages: Type.Array(Type.String()), /** Both hosts have the guest's disks. */ sharesDisks: Type.Optional(Type.Boolean()) }),
  ),
  /**
   * Closes the connection by which the rest of a guest's memory comes here after its switch to post-copy, so that its source, which has lost it, can make
   * another. Nothing is done to a guest that stands otherwise.
   */
  dropMigrationStream: call(Type.Object({ instanceId: Type.String() }), Type.Object({ dropped: Type.Integer() }), 10_000),
  /** All that the host has of instances, as found and not as remembered. */
  inventory: call(Empty, HostInventory, 20_000),
  /**
   * Takes away all that the host has of an instance that should not be here. `generation` is the one of the inventory by
   * which it was decided: when the host has seen a newer one since, or is at work on the instance, it refuses (conflict).
   * Without an instance: what is loose. `aside`: only what was put aside of it.
   */
  cleanup: call(
    Type.Object({ instanceId: Type.Optional(Type.String()), generation: Type.Optional(Type.Integer()), aside: Type.Optional(Type.Boolean()) }),
    Empty,
    60_000,
  ),
});

/** How a command ended. */
export const CommandReport = Type.Object({
  hostId: Type.String(),
  commandId: Type.String(),
  operationId: Type.String(),
  instanceId: Type.String(),
  generation: Type.Integer(),
  ok: Type.Boolean(),
  /** For successful commands, e.g. `{ powerState: 1 }`. */
  result: Type.Optional(Type.Unknown()),
  error: Type.Optional(Type.Object({ message: Type.String(), retryable: Type.Boolean() })),
});
export type CommandReport = Static<typeof CommandReport>;

export const HostFacts = Type.Object({
  hostId: Type.String(),
  hostname: Type.String(),
  hypervisorType: Type.String(),
  /** As libvirt writes it: major * 1,000,000 + minor * 1,000 + release. */
  hypervisorVersion: Type.Integer(),
  hostIp: Type.String(),
  /** So long after the last answer that it got, the host has begun to switch its guests off; absent when it does not. */
  selfFenceSeconds: Type.Optional(Type.Integer({ minimum: 1 })),
  /** How libvirt of another host reaches libvirt of this one (peer to peer, TLS); absent when nothing can migrate here. */
  migrationUri: Type.Optional(Type.String({ pattern: '^qemu\\+tls://[0-9A-Za-z.:\\[\\]-]+/system(\\?pkipath=[0-9A-Za-z./_-]+)?$', maxLength: 255 })),
  /** What the agent has left on the storage of its instances' disks, which other hosts may have, too (see `GuestPlaces.storageSeen`); absent for disks that are its own. */
  storageMark: Type.Optional(Type.String({ maxLength: 64 })),
  /** Where the host's server answers other hosts and the console proxy, by mutual TLS; absent for a simulated host. */
  agentUrl: Type.Optional(Type.String({ pattern: '^https://[0-9A-Za-z.:\\[\\]-]+$', maxLength: 255 })),
  cpuInfo: Type.String(),
  totals: Type.Object({ vcpus: Type.Integer(), memoryMb: Type.Integer(), diskGb: Type.Integer() }),
  traits: Type.Array(Type.String()),
  /** True for the fake driver: shown wherever the host is shown. */
  simulated: Type.Boolean(),
});
export type HostFacts = Static<typeof HostFacts>;

const Amount = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const ObservedInstance = Type.Object({ instanceId: Type.String(), powerState: PowerState });

/**
 * Served by the conductor for agents. The sender (`agent-<host id>`, verified by the broker) must own `hostId`:
 * anything else is refused and logged.
 */
export const agentGatewayContract = defineContract('agent-gateway', {
  /** At start and every few seconds; renews the lease. The answer says how often and how long the lease is, ms. */
  heartbeat: call(
    Type.Object({
      facts: HostFacts,
      usage: Type.Object({ memoryMbUsed: Type.Integer(), diskGbUsed: Type.Integer(), runningInstances: Type.Integer(), load: Type.String() }),
      /** Every instance on the host; observed truth. */
      instances: Type.Array(ObservedInstance),
      sequence: Type.Integer(),
    }),
    Type.Object({ intervalMs: Type.Integer(), leaseMs: Type.Integer() }),
  ),
  /** The agent keeps the report until this is answered. */
  report: call(CommandReport, Empty),
  /** A guest changed its power state by itself (shut down inside, crashed). */
  instanceEvent: call(
    Type.Object({ hostId: Type.String(), instanceId: Type.String(), powerState: PowerState, reason: Type.String(), sequence: Type.Integer() }),
    Empty,
  ),
  /**
   * How far a live migration has come, from its source; numbers are bytes, bytes a second and ms. Reports that are older than the
   * newest are left. The answer says whether somebody wants it to end whatever it costs the guest.
   */
  migrationProgress: call(
    Type.Object({
      hostId: Type.String(), instanceId: Type.String(), migrationId: Type.String(), sequence: Type.Integer(),
      /** After an interruption the destination takes no new connection: it is to let go of the old one. */
      stuck: Type.Optional(Type.Boolean()),
      mode: Type.Union([Type.Literal('pre-copy'), Type.Literal('post-copy')]), iteration: Amount,
      memoryTotal: Amount, memoryProcessed: Amount, memoryRemaining: Amount, diskTotal: Amount, diskProcessed: Amount, diskRemaining: Amount,
      dirtyRate: Amount, etaMs: Type.Union([Amount, Type.Null()]), downtimeMs: Type.Union([Amount, Type.Null()]), totalMs: Amount,
    }),
    Type.Object({ forced: Type.Boolean() }),
  ),
  imageTicket: call(
    Type.Object({ hostId: Type.String(), imageId: Type.String() }),
    Type.Object({ url: Type.String(), ticket: Type.String(), expiresAt: Type.Number(), sizeBytes: Type.Integer(), sha512: Type.String(), diskFormat: Type.String() }),
  ),
  /** Leave to bring the data of an image that a snapshot on this host is for; `stored` when it is there already. */
  uploadTicket: call(
    Type.Object({ hostId: Type.String(), imageId: Type.String(), sizeBytes: Type.Integer({ minimum: 1 }) }),
    Type.Object({ url: Type.String(), ticket: Type.String(), stored: Type.Boolean() }),
  ),
  /**
   * The documents of the metadata service and the config drive, path (below the root, e.g. `openstack/latest/meta_data.json`)
   * to base64 content. Refused for instances that are not on the asking host.
   */
  instanceMetadata: call(
    Type.Object({ hostId: Type.String(), instanceId: Type.String() }),
    Type.Object({ documents: Type.Record(Type.String(), Type.String()) }),
  ),
}, { audience: 'agents' });
