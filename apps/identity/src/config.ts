import { Type, type Static } from '@sinclair/typebox';
import { TOKEN_FORMATS } from './tokens/token-format';
import { ApiConfig, BusConfig, CommonConfig, DatabaseConfig, loadConfig } from '@virga/service';

export const MigrateConfig = Type.Object({
  ...DatabaseConfig,
  VIRGA_LOG_LEVEL: CommonConfig.VIRGA_LOG_LEVEL,
});

export const KeyConfig = Type.Object({
  ...MigrateConfig.properties,
  VIRGA_IDENTITY_KEY_FILE: Type.String({
    minLength: 1,
    description: 'File (0600) with the key that encrypts signing keys in the database; created when missing. All copies of identity need the same file.',
  }),
  VIRGA_IDENTITY_TOKEN_SECONDS: Type.Integer({ default: 3600, minimum: 60, maximum: 86_400, description: 'Life of a token in seconds.' }),
});

export const IdentityConfig = Type.Object({
  ...CommonConfig,
  ...BusConfig,
  ...ApiConfig,
  ...KeyConfig.properties,
  VIRGA_LISTEN: Type.String({ default: '127.0.0.1:5000', description: 'host:port of the public API.' }),
  VIRGA_IDENTITY_TOKEN_FORMAT: Type.Union(TOKEN_FORMATS.map((name) => Type.Literal(name)), {
    default: 'jws', description: 'Format of new tokens: jws (short), or pki, OpenStack\'s classic one (CMS) that others verify by certificate. Tokens of both are taken.',
  }),
  VIRGA_IDENTITY_LIST_LIMIT: Type.Integer({ default: 10_000, minimum: 1, description: 'Most entries of one list answer; a longer list has a `next` link.' }),
});
export type IdentityConfig = Static<typeof IdentityConfig>;
export type KeyConfig = Static<typeof KeyConfig>;

export const identityConfig = (): IdentityConfig => loadConfig(IdentityConfig, process.env);
export const keyConfig = (): KeyConfig => loadConfig(KeyConfig, process.env);
export const migrateConfig = (): Static<typeof MigrateConfig> => loadConfig(MigrateConfig, process.env);
