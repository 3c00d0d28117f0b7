import { Type, type Static } from '@sinclair/typebox';
import { BusConfig, CommonConfig } from '@virga/service';
import { SIMULATED_VERBS, type SimulatedVerb } from '../virt/fake/simulation';

export const FleetConfig = Type.Object({
  ...CommonConfig, ...BusConfig,
  VIRGA_FLEET_NAME: Type.String({ pattern: '^[a-z][a-z0-9-]{0,31}$', description: 'Name of the fleet; its broker user is fleet-NAME, its hosts are sim-NAME-0001 and so on.' }),
  VIRGA_FLEET_HOSTS: Type.Integer({ default: 200, minimum: 1, maximum: 9999, description: 'How many hosts are simulated.' }),
  VIRGA_FLEET_STATE_DIR: Type.String({ description: 'Journal of all the hosts.' }),
  VIRGA_FLEET_SEED: Type.String({ default: '1', description: 'Decides, with the host, all simulated times and failures.' }),
  VIRGA_FLEET_TIMES: Type.String({ default: '', description: 'Times of verbs in ms, e.g. prepare=50-200,start=100-300; what is not named takes none.' }),
  VIRGA_FLEET_FAILURES: Type.String({ default: '', description: 'Share of a verb\'s runs that fail, e.g. start=0.01; what is not named never does.' }),
  VIRGA_FLEET_VCPUS: Type.Integer({ default: 64, minimum: 1, description: 'vCPUs of each host.' }),
  VIRGA_FLEET_MEMORY_MB: Type.Integer({ default: 262_144, minimum: 1, description: 'Memory of each host, MB.' }),
  VIRGA_FLEET_DISK_GB: Type.Integer({ default: 4000, minimum: 1, description: 'Disk of each host, GB.' }),
});
export type FleetConfig = Static<typeof FleetConfig>;

/** `verb=value,verb=value` by verb. Throws one sentence that names what is wrong. */
function byVerb<T>(key: string, text: string, read: (value: string) => T | undefined): Partial<Record<SimulatedVerb, T>> {
  return Object.fromEntries(text.split(',').filter(Boolean).map((entry) => {
    const [verb = '', value = ''] = entry.split('=');
    const found = SIMULATED_VERBS.find((name) => name === verb);
    const meaning = read(value);
    if (!found || meaning === undefined) throw new Error(`Configuration: ${key}: ${JSON.stringify(entry)} is not understood; verbs are ${SIMULATED_VERBS.join(', ')}.`);
    return [found, meaning];
  }));
}

export const readTimes = (text: string) => byVerb('VIRGA_FLEET_TIMES', text, (value): readonly [number, number] | undefined => {
  const [, least, most] = /^(\d+)-(\d+)$/.exec(value) ?? [];
  return least !== undefined && Number(least) <= Number(most) ? [Number(least), Number(most)] : undefined;
});

export const readFailures = (text: string) => byVerb('VIRGA_FLEET_FAILURES', text, (value) => (/^(0(\.\d+)?|1)$/.test(value) ? Number(value) : undefined));
