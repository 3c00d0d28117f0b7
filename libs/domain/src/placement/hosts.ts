import type { Resources } from './resources';

/** A host as the scheduler sees it. */
export interface Candidate {
  hostId: string;
  hostname: string;
  availabilityZone: string;
  enabled: boolean;
  /** Its lease has not run out. */
  alive: boolean;
  /** What it physically has: no single instance may be larger. */
  inventory: Resources;
  /** What may be given away (see `capacityOf`). */
  capacity: Resources;
  used: Resources;
  traits: readonly string[];
}

/** What is looked for. */
export interface Wish {
  resources: Resources;
  availabilityZone?: string;
  /** Name or id of the only host that will do. */
  requestedHost?: string;
  /** An operator insists on the host: it may be disabled, in another zone and without the traits, but it must be alive and have room. */
  skipFilters?: boolean;
  excludeHostIds?: readonly string[];
  /** Only these hosts (an affinity policy). */
  affinityHostIds?: readonly string[];
  /** None of these hosts (an anti-affinity policy). */
  antiAffinityHostIds?: readonly string[];
  /** Only these hosts: those that the policy of the server group leaves. Holds for operators, too. */
  groupHostIds?: readonly string[];
  requiredTraits?: readonly string[];
  /** Only these hosts: those that aggregates allow for the flavor and the project. */
  aggregateHostIds?: readonly string[];
}
