import type { TokenFormatName } from './tokens/token-format';

/** Injection tokens of things that are no classes of ours. */
export const DATABASE = Symbol('identity.database');
export const CONFIG = Symbol('identity.config');
export const ENFORCER = Symbol('identity.policy');
/** The 32-byte key of VIRGA_IDENTITY_KEY_FILE. */
export const SEAL_KEY = Symbol('identity.sealKey');

export const TOKEN_FORMAT = Symbol('identity.tokenFormat');

/** What handlers need of the configuration. */
export interface Settings {
  tokenSeconds: number;
  listLimit: number;
  tokenFormat: TokenFormatName;
}
