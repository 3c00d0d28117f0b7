import { HOST_NAME } from './enrolment/messages';

/** A mistake in what was typed; printed as one sentence, exit code 2. */
export class UsageError extends Error {}

/** What the command line said; fields that were not given are absent. */
export interface Options {
  verb: string;
  /** Words that are not options, e.g. a part's name. */
  words: string[];
  hosts?: number;
  simulatedHosts?: number;
  name?: string;
  portOffset?: number;
  managementCidr?: string;
  externalCidr?: string;
  virtType?: 'kvm' | 'qemu';
  /** Whether guests show their screens by SPICE, too. */
  spice?: boolean;
  sharedStorage?: boolean;
  /** Speed of the hosts' management and migration link, as tc writes it, or `unlimited`. */
  migrationRate?: string;
  /** Parts and tasks that `up` shall do, with what they need; everything when absent. */
  only?: string[];
  /** How long a join token is good. */
  minutes?: number;
  /** Of `host join`: the controller's URL, the token (`-`: to be read), this machine's name, address and interfaces. */
  controller?: string;
  token?: string;
  hostName?: string;
  address?: string;
  tunnelInterface?: string;
  externalInterface?: string;
  json: boolean;
  follow: boolean;
  yes: boolean;
  /** Of `verify`: repair what may be repaired. */
  fix: boolean;
}

const VALUED: Record<string, (value: string) => Partial<Options>> = {
  '--state': () => ({}), // read by the launcher, which hands it over as VIRGA_STATE
  '--hosts': (value) => ({ hosts: integer('--hosts', value, 1, 16) }),
  '--simulated-hosts': (value) => ({ simulatedHosts: integer('--simulated-hosts', value, 0, 9999) }),
  '--name': (value) => ({ name: matching('--name', value, /^[a-z][a-z0-9]{0,5}$/, '1 to 6 lower-case letters and digits, beginning with a letter') }),
  '--port-offset': (value) => {
    const portOffset = integer('--port-offset', value, 0, 20_000);
    if (portOffset % 100 !== 0) throw new UsageError('--port-offset must be a multiple of 100.');
    return { portOffset };
  },
  '--management-cidr': (value) => ({ managementCidr: cidr('--management-cidr', value) }),
  '--external-cidr': (value) => ({ externalCidr: cidr('--external-cidr', value) }),
  '--migration-rate': (value) => ({ migrationRate: linkRate('--migration-rate', value) }),
  '--virt-type': (value) => ({ virtType: matching('--virt-type', value, /^(kvm|qemu)$/, 'kvm or qemu') as 'kvm' | 'qemu' }),
  '--spice': (value) => ({ spice: matching('--spice', value, /^(on|off)$/, 'on or off') === 'on' }),
  '--minutes': (value) => ({ minutes: integer('--minutes', value, 1, 1440) }),
  '--controller': (value) => ({ controller: matching('--controller', value, /^https:\/\/\d{1,3}(\.\d{1,3}){3}:\d{1,5}\/?$/, 'written like https://172.30.255.1:9444') }),
  '--token': (value) => ({ token: value }),
  '--host-name': (value) => ({ hostName: matching('--host-name', value, HOST_NAME, 'at most 32 lower-case letters, digits and dashes, beginning with a letter') }),
  '--address': (value) => ({ address: matching('--address', value, /^\d{1,3}(\.\d{1,3}){3}$/, 'an IPv4 address') }),
  '--tunnel-interface': (value) => ({ tunnelInterface: device('--tunnel-interface', value) }),
  '--external-interface': (value) => ({ externalInterface: device('--external-interface', value) }),
  '--only': (value) => ({ only: matching('--only', value, /^[a-z0-9-]+(,[a-z0-9-]+)*$/, 'names of parts with commas between them').split(',') }),
};
const FLAGS: Record<string, Partial<Options>> = {
  '--json': { json: true },
  '--shared-storage': { sharedStorage: true },
  '-f': { follow: true },
  '--follow': { follow: true },
  '--fix': { fix: true },
  '--yes': { yes: true },
  '-y': { yes: true },
  '--no-install': {}, // read by the launcher
};

/** Parses the words after `virga`. Throws UsageError. */
export function parseOptions(argv: string[]): Options {
  const options: Options = { verb: argv[0] ?? 'help', words: [], json: false, follow: false, yes: false, fix: false };
  for (let index = 1; index < argv.length; index++) {
    const word = argv[index]!;
    const [key, inline] = word.startsWith('--') && word.includes('=') ? [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] : [word];
    const valued = Object.hasOwn(VALUED, key!) ? VALUED[key!] : undefined;
    if (valued) {
      const value = inline ?? argv[++index];
      if (value === undefined) throw new UsageError(`${key} needs a value.`);
      Object.assign(options, valued(value));
    } else if (Object.hasOwn(FLAGS, word)) {
      Object.assign(options, FLAGS[word]);
    } else if (word.startsWith('-')) {
      throw new UsageError(`unknown option: ${word}`);
    } else {
      options.words.push(word);
    }
  }
  return options;
}

/** A speed of a link: `unlimited`, or a whole number with mbit or gbit. */
export const linkRate = (key: string, value: string): string =>
  matching(key, value, /^(unlimited|[1-9]\d{0,4}(mbit|gbit))$/, 'unlimited, or a number with mbit or gbit, e.g. 1gbit');

const device = (key: string, value: string): string => matching(key, value, /^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$/, 'the name of a network interface');

function integer(key: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || number < min || number > max) throw new UsageError(`${key} must be a whole number from ${min} to ${max}.`);
  return number;
}

function matching(key: string, value: string, pattern: RegExp, words: string): string {
  if (!pattern.test(value)) throw new UsageError(`${key} must be ${words}.`);
  return value;
}

function cidr(key: string, value: string): string {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.0\/24$/.exec(value)?.slice(1).map(Number);
  if (!octets || octets.some((octet) => octet > 255)) throw new UsageError(`${key} must be written like 172.24.4.0/24.`);
  return value;
}
