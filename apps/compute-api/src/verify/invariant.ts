import type { Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { Bus } from '@virga/rpc';
import type { ComputeDb } from '../db/schema';
import type { CloudView } from './cloud-view';

/** One thing that is not as it must be. */
export interface Violation {
  /** The same for the same thing in every pass. */
  key: string;
  /** For people: what, where, and against what. */
  sentence: string;
  /** What `repair` must know. */
  facts?: Record<string, unknown>;
}

export interface RepairContext {
  db: Kysely<ComputeDb>;
  bus: Bus;
  logger: Logger;
  wake(operationId: string): void;
  wakeRelay(): void;
}

/** What it takes to look: the database alone, the other services too, or every host. */
export type Cost = 'database' | 'services' | 'hosts';

/** A sentence that must hold of a cloud at rest; what somebody is at work on is left to them. */
export interface Invariant {
  name: string;
  /** What must hold. */
  sentence: string;
  cost: Cost;
  find(view: CloudView): Promise<Violation[]>;
  /**
   * Brings about what must hold and says what it did; absent where only a person can judge. It decides by what is so at that
   * moment, not by what was found: between the two the world goes on. Undefined when nothing was to be done any more.
   */
  repair?(violation: Violation, context: RepairContext): Promise<string | undefined>;
}
