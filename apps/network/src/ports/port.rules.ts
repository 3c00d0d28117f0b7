import { badRequest } from '@virga/core';
import { formatCidr, parseAddress, parseCidr, formatAddress } from '@virga/domain';
import { readMac } from './port-rows';

export interface AddressPair { mac_address: string; ip_address: string }

/**
 * Pairs with the port's own MAC filled in. A pair that covers every address would switch anti-spoofing off without
 * saying so; that is what port_security_enabled is for.
 */
export function readAddressPairs(pairs: { ip_address: string; mac_address?: string | null }[], portMac: string): AddressPair[] {
  const read = pairs.map((pair): AddressPair => {
    const block = pair.ip_address.includes('/') ? parseCidr(pair.ip_address) : undefined;
    const address = block ? undefined : parseAddress(pair.ip_address);
    if (!block && !address) throw badRequest(`Invalid input for allowed_address_pairs. Reason: '${pair.ip_address}' is not a valid IP address or subnet.`, { type: 'HTTPBadRequest' });
    if (block?.prefix === 0) throw badRequest(`Invalid input for allowed_address_pairs. Reason: '${pair.ip_address}' covers every address; disable port security instead.`, { type: 'HTTPBadRequest' });
    return { mac_address: pair.mac_address ? readMac(pair.mac_address) : portMac, ip_address: block ? formatCidr(block) : formatAddress(address!) };
  });
  const keys = new Set(read.map((pair) => `${pair.mac_address} ${pair.ip_address}`));
  if (keys.size < read.length) throw badRequest('Request contains duplicate address pair.', { type: 'DuplicateAddressPairInRequest' });
  return read;
}
