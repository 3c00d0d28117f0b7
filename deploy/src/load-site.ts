import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError, type Options } from './options';
import { DEFAULT_SETTINGS, defaultCidrs, planSite, type Settings, type Site } from './site';
import { replaceFile } from './replace-file';

/** Where the launcher found things; it hands them over in the environment. */
export interface Launch {
  root: string;
  state: string;
  /** Milliseconds since the epoch when the command was typed. */
  startedAt: number;
}

export function readLaunch(env: NodeJS.ProcessEnv): Launch {
  const root = env['VIRGA_ROOT'] ?? process.cwd();
  return { root, state: env['VIRGA_STATE'] ?? '/var/lib/virga', startedAt: Number(env['VIRGA_STARTED'] ?? Date.now()) };
}

const fileOf = (state: string): string => join(state, 'site.json');

/** What an earlier run has kept in a state directory. */
export function knownSettings(state: string): Settings | undefined {
  return existsSync(fileOf(state)) ? (JSON.parse(readFileSync(fileOf(state), 'utf8')) as Settings) : undefined;
}

const siteOf = ({ root, state }: Launch, settings: Settings): Site =>
  planSite(root, state, settings, readFileSync(join(root, 'deploy/ports.txt'), 'utf8'));

/** The cloud of the state directory, as its last `up` described it. Throws UsageError when there is none. */
export function loadSite(launch: Launch): Site {
  const settings = knownSettings(launch.state);
  if (!settings) throw new UsageError(`there is no cloud in ${launch.state}; ./virga up makes one, --state names another directory.`);
  return siteOf(launch, settings);
}

/** The cloud as it shall be: what was said now, else what was said earlier, else the defaults. Kept for the next time. */
export function describeSite(launch: Launch, options: Options, isRunning: (site: Site) => boolean): Site {
  const known = knownSettings(launch.state);
  const portOffset = options.portOffset ?? known?.portOffset ?? DEFAULT_SETTINGS.portOffset;
  const settings: Settings = {
    name: options.name ?? known?.name ?? DEFAULT_SETTINGS.name,
    portOffset,
    hosts: options.hosts ?? known?.hosts ?? DEFAULT_SETTINGS.hosts,
    simulatedHosts: options.simulatedHosts ?? known?.simulatedHosts ?? 0,
    migrationRate: options.migrationRate ?? known?.migrationRate ?? 'unlimited',
    // Said for all hosts, it takes the place of what was said for one.
    migrationRates: options.migrationRate === undefined ? (known?.migrationRates ?? {}) : {},
    absentHosts: known?.absentHosts ?? [],
    managementCidr: options.managementCidr ?? known?.managementCidr ?? defaultCidrs(portOffset).managementCidr,
    externalCidr: options.externalCidr ?? known?.externalCidr ?? defaultCidrs(portOffset).externalCidr,
    sharedStorage: options.sharedStorage ?? known?.sharedStorage ?? false,
    spice: options.spice ?? known?.spice ?? false,
    virtType: options.virtType ?? known?.virtType ?? DEFAULT_SETTINGS.virtType,
    ...(known?.membership && { membership: known.membership }),
  };
  if (known) {
    const fixed = (['name', 'portOffset', 'managementCidr', 'externalCidr'] as const).filter((key) => known[key] !== settings[key]);
    if (fixed.length > 0 && isRunning(siteOf(launch, known))) {
      throw new UsageError(`${fixed.join(' and ')} of a running cloud cannot be changed; ./virga down first.`);
    }
    if (settings.hosts < known.hosts) throw new UsageError(`this cloud has ${known.hosts} hosts; ./virga host remove takes one away.`);
  }
  return keepSettings(launch, settings);
}

/** Writes settings down and gives the cloud that they describe. */
export function keepSettings(launch: Launch, settings: Settings): Site {
  replaceFile(fileOf(launch.state), `${JSON.stringify(settings, null, 2)}\n`, 0o644);
  return siteOf(launch, settings);
}
