import { Type, type Static } from '@sinclair/typebox';
import { call, defineContract } from '@virga/rpc';

/** What an instance takes of a host. */
export const Resources = Type.Object({
  vcpus: Type.Integer({ minimum: 0 }),
  memoryMb: Type.Integer({ minimum: 0 }),
  diskGb: Type.Integer({ minimum: 0 }),
});
export type Resources = Static<typeof Resources>;

/** What a host has, without what is reserved for itself. */
export const Inventory = Type.Object({
  vcpus: Type.Integer({ minimum: 0 }),
  memoryMb: Type.Integer({ minimum: 0 }),
  diskGb: Type.Integer({ minimum: 0 }),
});
export type Inventory = Static<typeof Inventory>;

/** The server group of a consumer, as every claim of a member says it. */
export const PlacementGroup = Type.Object({
  id: Type.String({ minLength: 1, maxLength: 64 }),
  policy: Type.Union(['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'].map((policy) => Type.Literal(policy as 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity'))),
  /** Members that one host may have; for anti-affinity. */
  maxPerHost: Type.Integer({ minimum: 1 }),
  /** Consumers that are the same member: what it holds where it comes from. */
  except: Type.Array(Type.String()),
  /** An operator insists: the claim counts as a member's, and the policy is not asked. */
  force: Type.Optional(Type.Boolean()),
});
export type PlacementGroup = Static<typeof PlacementGroup>;

export const PlacementRequest = Type.Object({
  /** Who holds the claim: the instance's id (or a migration's). A repeat returns the claim that is already held. */
  consumerId: Type.String(),
  projectId: Type.String(),
  resources: Resources,
  availabilityZone: Type.Optional(Type.String()),
  /** Only this host (name or id); filters other than capacity still apply unless `skipFilters`. */
  requestedHost: Type.Optional(Type.String()),
  skipFilters: Type.Optional(Type.Boolean()),
  excludeHostIds: Type.Optional(Type.Array(Type.String())),
  /** Host ids that an affinity / anti-affinity policy allows or forbids. */
  affinityHostIds: Type.Optional(Type.Array(Type.String())),
  antiAffinityHostIds: Type.Optional(Type.Array(Type.String())),
  /** Its policy is kept by the claim itself, however many members claim at once. */
  group: Type.Optional(PlacementGroup),
  requiredTraits: Type.Optional(Type.Array(Type.String())),
  /** Only these hosts: those that aggregates allow for the flavor and the project. */
  aggregateHostIds: Type.Optional(Type.Array(Type.String())),
});
export type PlacementRequest = Static<typeof PlacementRequest>;

/** Which filter removed how many of the hosts, in the order in which they ran. */
export const FilterResult = Type.Object({
  filter: Type.String(),
  before: Type.Integer(),
  removed: Type.Integer(),
  /** A sentence with the reason, e.g. the largest free memory against the memory asked for. */
  reason: Type.String(),
});
export type FilterResult = Static<typeof FilterResult>;

export const HostState = Type.Object({
  hostId: Type.String(),
  hostname: Type.String(),
  availabilityZone: Type.String(),
  /** False while an operator has disabled it or its lease has run out. */
  enabled: Type.Boolean(),
  alive: Type.Boolean(),
  inventory: Inventory,
  /** What may be given away, with the site's allocation ratios; as much as the inventory when absent. */
  capacity: Type.Optional(Inventory),
  used: Resources,
});
export type HostState = Static<typeof HostState>;

export const HostReport = Type.Object({
  hostId: Type.String(),
  hostname: Type.String(),
  availabilityZone: Type.Optional(Type.String()),
  enabled: Type.Boolean(),
  inventory: Inventory,
  traits: Type.Array(Type.String()),
  /** How long this report keeps the host alive, ms. */
  leaseMs: Type.Integer(),
});
export type HostReport = Static<typeof HostReport>;

/**
 * Served by the scheduler. `claim` refuses with kind `conflict`, type `NoValidHost`, status 409 and
 * details `{ filters: FilterResult[] }`.
 */
export const placementContract = defineContract('placement', {
  claim: call(PlacementRequest, Type.Object({ hostId: Type.String(), hostname: Type.String() })),
  /**
   * What `from` holds becomes what `to` holds, and what `to` held before is given back, all at once: the end of a migration, under
   * whose id the room on the other host was claimed. Where `from` holds nothing it is a repeat, and changes nothing. With `onHost`
   * (id) also when what `from` holds is elsewhere: then it is another claim than the one that was meant.
   */
  transfer: call(Type.Object({ from: Type.String(), to: Type.String(), onHost: Type.Optional(Type.String()) }), Type.Object({ transferred: Type.Boolean() })),
  /** Gives back everything that the consumer holds; a repeat is harmless. */
  release: call(Type.Object({ consumerId: Type.String() }), Type.Object({ released: Type.Boolean() })),
  /** Full picture of one host, from its agent through the conductor; creates the host at the first time. */
  reportHost: call(HostReport, Type.Object({})),
  /** The same of many hosts, each of them once. */
  reportHosts: call(Type.Object({ hosts: Type.Array(HostReport, { minItems: 1, maxItems: 1000 }) }), Type.Object({})),
  setHostEnabled: call(Type.Object({ hostId: Type.String(), enabled: Type.Boolean() }), Type.Object({})),
  /** Zones after a change of aggregates; the hosts' next reports say the same. */
  setHostZones: call(Type.Object({ hosts: Type.Array(Type.Object({ hostId: Type.String(), availabilityZone: Type.String() })) }), Type.Object({})),
  removeHost: call(Type.Object({ hostId: Type.String() }), Type.Object({})),
  /** Who answers: the name under which a scheduler shows in compute's list of services. */
  whoAnswers: call(Type.Object({}), Type.Object({ hostname: Type.String() }), 3_000),
  hosts: call(Type.Object({}), Type.Object({ hosts: Type.Array(HostState) })),
  allocations: call(
    Type.Object({ hostId: Type.Optional(Type.String()) }),
    Type.Object({ allocations: Type.Array(Type.Object({ consumerId: Type.String(), hostId: Type.String(), resources: Resources })) }),
  ),
});
