import type { Kysely } from '@virga/db';
import type { PolicyEnforcer } from '@virga/rest';
import type { Bus } from '@virga/rpc';
import type { ConsoleUrlSettings } from './consoles/console-url';
import type { ComputeDb } from './db/schema';
import type { Neighbours } from './operations/workflow';
import type { NeighbourApis } from './proxies/neighbour-api';

/** Injection tokens of the API process. */
export const DB = Symbol('compute.db');
export const BUS = Symbol('compute.bus');
export const NEIGHBOURS = Symbol('compute.neighbours');
export const NEIGHBOUR_APIS = Symbol('compute.neighbour-apis');
export const ENFORCER = Symbol('compute.policy');
export const SETTINGS = Symbol('compute.settings');
export const WAKE_RELAY = Symbol('compute.wake-relay');
export const LOGGER = Symbol('compute.logger');

export type Db = Kysely<ComputeDb>;
export type { Bus, NeighbourApis, Neighbours, PolicyEnforcer };

export interface ComputeSettings {
  /** Schema and name of the view of servers' addresses that the network service publishes. */
  networkSchema: string;
  /** Entries of one list answer at most. */
  maxLimit: number;
  /** Zone of hosts that are in no other. */
  defaultZone: string;
  console: ConsoleUrlSettings & {
    /** How long a token waits to be used. */
    tokenSeconds: number;
  };
}
export type WakeRelay = () => void;
