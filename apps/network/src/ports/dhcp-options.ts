import { badRequest, type CloudError } from '@virga/core';
import { parseAddress } from '@virga/domain';

/** An option of DHCP that a port has beside those of its subnet. */
export interface DhcpOption { opt_name: string; opt_value: string; ip_version: 4 | 6 }
/** As given: a null value takes the option away. */
export interface DhcpOptionInput { opt_name: string; opt_value?: string | null; ip_version?: 4 | 6 }

type Form = 'text' | 'address' | 'addresses' | 'number' | 'host';
type Known = Record<string, readonly [ovnName: string, form: Form]>;

/** Names (and numbers) that clients use, as dnsmasq knows them, to what OVN's server can send. */
const KNOWN: Record<4 | 6, Known> = {
  4: {
    'arp-timeout': ['arp_cache_timeout', 'number'], 'bootfile-name': ['bootfile_name', 'text'], 'broadcast-address': ['broadcast_address', 'address'],
    'dns-server': ['dns_server', 'addresses'], 'domain-name': ['domain_name', 'text'], hostname: ['hostname', 'text'], 'log-server': ['log_server', 'addresses'],
    'lpr-server': ['lpr_server', 'addresses'], mtu: ['mtu', 'number'], netmask: ['netmask', 'address'], 'nis-server': ['nis_server', 'addresses'],
    'ntp-server': ['ntp_server', 'addresses'], 'path-prefix': ['path_prefix', 'text'], router: ['router', 'addresses'], 'server-ip-address': ['tftp_server_address', 'address'],
    'swap-server': ['swap_server', 'address'], 'tcp-keepalive': ['tcp_keepalive_interval', 'number'], 'tftp-server': ['tftp_server', 'host'],
    'tftp-server-address': ['tftp_server_address', 'address'], wpad: ['wpad', 'text'],
    '3': ['router', 'addresses'], '6': ['dns_server', 'addresses'], '12': ['hostname', 'text'], '15': ['domain_name', 'text'], '26': ['mtu', 'number'], '42': ['ntp_server', 'addresses'],
    '66': ['tftp_server', 'host'], '67': ['bootfile_name', 'text'], '150': ['tftp_server_address', 'address'], '210': ['path_prefix', 'text'], '252': ['wpad', 'text'],
  },
  6: { 'dns-server': ['dns_server', 'addresses'], 'domain-search': ['domain_search', 'text'] },
};

const isAddress = (text: string, version: 4 | 6): boolean => parseAddress(text)?.version === version;
/** Text goes into an expression of OVN between quotes: nothing in it may end them, nor may a line end. */
const isPlain = (text: string): boolean => /^[\x20-\x7e]+$/.test(text) && !/["\\]/.test(text);
const quoted = (text: string): string => `"${text}"`;
const split = (text: string): string[] => text.split(',').map((part) => part.trim());

/** The value as OVN writes it; undefined when it does not fit. */
const WRITERS: Record<Form, (value: string, version: 4 | 6) => string | undefined> = {
  text: (value) => (isPlain(value) ? quoted(value) : undefined),
  address: (value, version) => (isAddress(value, version) ? value : undefined),
  addresses: (value, version) => (split(value).every((part) => isAddress(part, version)) ? `{${split(value).join(', ')}}` : undefined),
  number: (value) => (/^\d{1,9}$/.test(value) ? value : undefined),
  host: (value, version) => (isAddress(value, version) ? value : isPlain(value) ? quoted(value) : undefined),
};

const knownOption = (name: string, version: 4 | 6) => (Object.hasOwn(KNOWN[version], name) ? KNOWN[version][name] : undefined);
const refuse = (reason: string): CloudError => badRequest(`Invalid input for extra_dhcp_opts. Reason: ${reason}.`, { type: 'HTTPBadRequest' });

/** What a port's options are after a request: given ones replace those of the same name, null takes away, the rest stays. */
export function mergeDhcpOptions(current: readonly DhcpOption[], given: readonly DhcpOptionInput[]): DhcpOption[] {
  const merged = new Map(current.map((option) => [`${option.ip_version} ${option.opt_name}`, option]));
  for (const { opt_name: name, opt_value: value, ip_version: version = 4 } of given) {
    const key = `${version} ${name}`;
    if (value === null || value === undefined) {
      merged.delete(key);
      continue;
    }
    const known = knownOption(name, version);
    if (!known) throw refuse(`'${name}' is not an option that can be set for IPv${version}`);
    // An address of the other IP version is kept, as neutron keeps it, and not sent: no client of this version could use it.
    if (([4, 6] as const).every((either) => WRITERS[known[1]](value, either) === undefined)) throw refuse(`'${value.slice(0, 100)}' is not a value of ${name}`);
    merged.set(key, { opt_name: name, opt_value: value, ip_version: version });
  }
  return [...merged.values()];
}

/** The options of one IP version in OVN's names and form. */
export const ovnDhcpOptions = (options: readonly DhcpOption[], version: 4 | 6): Record<string, string> =>
  Object.fromEntries(options.filter((option) => option.ip_version === version).flatMap(({ opt_name, opt_value }) => {
    const known = knownOption(opt_name, version);
    const written = known && WRITERS[known[1]](opt_value, version);
    return known && written !== undefined ? [[known[0], written]] : [];
  }));
