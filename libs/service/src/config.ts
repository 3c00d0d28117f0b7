import { Type, type Static, type TObject, type TProperties } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

/** Keys that every process has. Each key's `description` is a sentence of the configuration manual. */
export const CommonConfig = {
  VIRGA_ADMIN_LISTEN: Type.String({ default: '127.0.0.1:0', description: 'Where health and metrics are served: host:port or unix:/path.' }),
  VIRGA_LOG_LEVEL: Type.String({ default: 'info', description: 'trace, debug, info, warn, error or silent.' }),
  VIRGA_REGION: Type.String({ default: 'RegionOne', description: 'Name of the region in the catalog.' }),
} satisfies TProperties;

export const DatabaseConfig = {
  VIRGA_DB_URL: Type.String({ description: 'mysql://user:password@host:port/schema, or with ?socketPath=/path.' }),
} satisfies TProperties;

export const BusConfig = {
  VIRGA_AMQP_URL: Type.String({ description: 'amqp://user:password@host:port of the message broker; amqps: by TLS, as an agent on another machine must.' }),
} satisfies TProperties;

export const ApiConfig = {
  VIRGA_PUBLIC_IDENTITY_URL: Type.String({ default: 'http://127.0.0.1:5000', description: 'Identity URL that clients are sent to when they have no token.' }),
  VIRGA_DRAIN_SECONDS: Type.Integer({ default: 60, minimum: 0, maximum: 3600, description: 'How long requests under way may take after the process was told to stop, seconds.' }),
} satisfies TProperties;

/**
 * Reads a process's configuration: strings from the environment are converted to the schema's types, defaults filled in.
 * Throws one error that names every wrong or missing key; values are not repeated, they may be secrets.
 */
export function loadConfig<T extends TObject>(schema: T, env: Record<string, string | undefined>): Static<T> {
  const known = Object.fromEntries(Object.keys(schema.properties).flatMap((key) => (env[key] === undefined ? [] : [[key, env[key]]])));
  const value: unknown = Value.Convert(schema, Value.Default(schema, known));
  const errors = [...Value.Errors(schema, value)];
  if (errors.length > 0) {
    throw new Error(`Configuration: ${errors.map((error) => `${error.path.slice(1)}: ${error.message}`).join('; ')}.`);
  }
  return value as Static<T>;
}
