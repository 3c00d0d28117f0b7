import type { TObject, TSchema } from '@sinclair/typebox';
import { AgentConfig } from '../apps/compute-agent/src/config';
import { FleetConfig } from '../apps/compute-agent/src/fleet/fleet.config';
import { ComputeApiConfig, ConductorConfig } from '../apps/compute-api/src/config';
import { ConsoleProxyConfig } from '../apps/console-proxy/src/config';
import { IdentityConfig } from '../apps/identity/src/config';
import { ImageConfig } from '../apps/image/src/config';
import { NetworkConfig } from '../apps/network/src/config';
import { SchedulerConfig } from '../apps/scheduler/src/config';

/** Process, its entry in dist/apps, and the schema that it checks its environment against. */
const PROCESSES: [name: string, entry: string, schema: TObject][] = [
  ['identity', 'identity/main.js', IdentityConfig],
  ['image', 'image/main.js', ImageConfig],
  ['network', 'network/main.js', NetworkConfig],
  ['scheduler', 'scheduler/main.js', SchedulerConfig],
  ['compute-api', 'compute-api/main.js', ComputeApiConfig],
  ['conductor', 'compute-api/main.conductor.js', ConductorConfig],
  ['compute-agent', 'compute-agent/main.js', AgentConfig],
  ['fleet', 'compute-agent/main.fleet.js', FleetConfig],
  ['console-proxy', 'console-proxy/main.js', ConsoleProxyConfig],
];

const HEAD = `# Configuration manual
Generated from the services' own schemas by \`node tools/generate-configuration-manual.mjs\`; do not edit. A test fails when it is stale.

Every process reads its configuration once, at its start, from environment variables, and refuses to start when one is
missing or wrong: it then names all of them, without their values. \`./virga up\` writes these variables into files of mode
0600 below \`etc/\` of the state directory, because the database's and the broker's URL contain passwords.
`;

/** What values a key takes, in words. */
function accepts(schema: TSchema): string {
  if (schema.anyOf) return (schema.anyOf as TSchema[]).map((choice) => `\`${String(choice.const)}\``).join(' or ');
  const { minimum, exclusiveMinimum, maximum, pattern } = schema;
  const from = minimum !== undefined ? `from ${minimum}` : exclusiveMinimum !== undefined ? `above ${exclusiveMinimum}` : '';
  const limits = [from, maximum !== undefined ? `to ${maximum}` : ''].filter((part) => part !== '').join(' ');
  const type = { boolean: '`true` or `false`', integer: 'whole number', number: 'number' }[schema.type as string] ?? 'text';
  return [type, limits, pattern ? `matching \`${String(pattern).replaceAll('|', '\\|')}\`` : ''].filter((part) => part !== '').join(' ');
}

function row([key, schema]: [string, TSchema]): string {
  if (!schema.description) throw new Error(`${key} has no description: each key needs a sentence`);
  const standard = schema.default === undefined ? '**required**' : schema.default === '' ? 'empty' : `\`${String(schema.default)}\``;
  return `| \`${key}\` | ${standard} | ${accepts(schema)} | ${schema.description.replaceAll('|', '\\|')} |`;
}

/** docs/configuration.md as it must be. Throws when a key has no description. */
export function renderConfigurationManual(): string {
  const sections = PROCESSES.map(([name, entry, schema]) => [
    `## ${name}`, `\`dist/apps/${entry}\``, '', '| Variable | Default | Value | Meaning |', '|---|---|---|---|',
    ...Object.entries(schema.properties).sort(([a], [b]) => (a < b ? -1 : 1)).map(row),
  ].join('\n'));
  return `${[HEAD, ...sections.map((section) => `${section}\n`)].join('\n')}`;
}
