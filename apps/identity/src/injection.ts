/** Injection tokens of things that are no classes of ours. */
export const DATABASE = Symbol('identity.database');
export const CONFIG = Symbol('identity.config');
export const ENFORCER = Symbol('identity.policy');

/** What handlers need of the configuration. */
export interface Settings {
  tokenSeconds: number;
  listLimit: number;
}
