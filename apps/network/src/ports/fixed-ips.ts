import { badRequest, conflict } from '@virga/core';
import { isDuplicateKey, type Selectable } from '@virga/db';
import {
  addressKey, containsAddress, eui64Address, firstFree, formatAddress, hostRange, inRange, parseAddress, parseCidr, parsePool, randomCandidates,
  type AddressRange, type IpAddress, type Pool,
} from '@virga/domain';
import type { Trx } from '../api/collection';
import type { SubnetTable } from '../db/tables';

export type SubnetRow = Selectable<SubnetTable>;
export interface FixedIpRequest { subnet_id?: string; ip_address?: string }
/** Whose addresses: the port, its network and card. */
export interface AddressOwner { portId: string; networkId: string; macAddress: string; deviceOwner: string }

interface Allocated { subnetId: string; address: string }

const isSlaac = (subnet: SubnetRow): boolean => subnet.ip_version === 6 && (subnet.ipv6_address_mode === 'slaac' || subnet.ipv6_address_mode === 'dhcpv6-stateless');
const isRouterPort = (owner: AddressOwner): boolean => owner.deviceOwner.startsWith('network:router');
const poolsOf = (subnet: SubnetRow): AddressRange[] => (JSON.parse(subnet.allocation_pools) as Pool[]).map((pool) => parsePool(subnet.ip_version as 4 | 6, pool)!);
const inUse = (address: string, subnetId: string) => conflict(`IP address ${address} already allocated in subnet ${subnetId}`, { type: 'IpAddressAlreadyAllocated' });
const exhausted = (networkId: string) => conflict(`No more IP addresses available on network ${networkId}.`, { type: 'IpAddressGenerationFailure' });

const serves = ({ service_types: types }: SubnetRow, deviceOwner: string): boolean => types === '[]' || (JSON.parse(types) as string[]).includes(deviceOwner);

export const subnetsOf = (trx: Trx, networkId: string): Promise<SubnetRow[]> =>
  trx.selectFrom('subnets').selectAll().where('network_id', '=', networkId).orderBy('created_at').orderBy('id').execute();

/** Takes one address; the primary key decides between two who want the same. */
async function take(trx: Trx, owner: AddressOwner, subnet: SubnetRow, address: IpAddress, position: number): Promise<boolean> {
  try {
    await trx.insertInto('ip_allocations').values({
      subnet_id: subnet.id, address_key: addressKey(address), address: formatAddress(address), port_id: owner.portId, network_id: owner.networkId, position,
    }).execute();
    return true;
  } catch (error) {
    if (isDuplicateKey(error)) return false;
    throw error;
  }
}

async function takeAsked(trx: Trx, owner: AddressOwner, subnet: SubnetRow, address: IpAddress, position: number): Promise<Allocated> {
  const text = formatAddress(address);
  const cidr = parseCidr(subnet.cidr)!;
  const usable = containsAddress(cidr, address) && inRange(hostRange(cidr), address.value);
  if (!usable) throw badRequest(`IP address ${text} is not a valid IP for the specified subnet.`, { type: 'InvalidIpForSubnet' });
  if (isSlaac(subnet) && !isRouterPort(owner) && text !== formatAddress(eui64Address(cidr, owner.macAddress))) {
    throw badRequest(`Invalid input for operation: IPv6 address ${text} can not be directly assigned to a port on subnet ${subnet.id} since the subnet is configured for automatic addresses.`, { type: 'InvalidInput' });
  }
  if (!(await take(trx, owner, subnet, address, position))) throw inUse(text, subnet.id);
  return { subnetId: subnet.id, address: text };
}

/** Takes a free address of the subnet's pools; undefined when none is left. */
async function takeAny(trx: Trx, owner: AddressOwner, subnet: SubnetRow, position: number): Promise<Allocated | undefined> {
  const version = subnet.ip_version as 4 | 6;
  const done = (address: IpAddress): Allocated => ({ subnetId: subnet.id, address: formatAddress(address) });
  if (isSlaac(subnet) && !isRouterPort(owner)) {
    const address = eui64Address(parseCidr(subnet.cidr)!, owner.macAddress);
    return (await take(trx, owner, subnet, address, position)) ? done(address) : undefined;
  }
  const pools = poolsOf(subnet);
  // Places at random first: nearly always free, and two who ask at once seldom meet.
  const candidates = owner.deviceOwner === 'network:distributed' ? [] : randomCandidates(pools, 12, Math.random).map((value) => ({ version, value }));
  const [likely] = candidates;
  if (likely && await take(trx, owner, subnet, likely, position)) return done(likely);
  if (candidates.length > 0) {
    const keys = candidates.map(addressKey);
    const taken = new Set((await trx.selectFrom('ip_allocations').select('address_key').where('subnet_id', '=', subnet.id).where('address_key', 'in', keys).execute()).map((row) => row.address_key));
    for (const [index, address] of candidates.entries()) if (!taken.has(keys[index]!) && await take(trx, owner, subnet, address, position)) return done(address);
  }
  const used = new Set((await trx.selectFrom('ip_allocations').select('address_key').where('subnet_id', '=', subnet.id).execute()).map((row) => row.address_key));
  for (let value = firstFree(pools, version, used); value !== undefined; value = firstFree(pools, version, used)) {
    const address = { version, value };
    if (await take(trx, owner, subnet, address, position)) return done(address);
    used.add(addressKey(address));
  }
  return undefined;
}

async function takeFirstOf(trx: Trx, owner: AddressOwner, subnets: SubnetRow[], position: number): Promise<Allocated> {
  for (const subnet of subnets) {
    const allocated = await takeAny(trx, owner, subnet, position);
    if (allocated) return allocated;
  }
  throw exhausted(owner.networkId);
}

function findSubnet(subnets: SubnetRow[], id: string, networkId: string): SubnetRow {
  const subnet = subnets.find((candidate) => candidate.id === id);
  if (!subnet) throw badRequest(`Invalid input for operation: Failed to create port on network ${networkId}, because fixed_ips included invalid subnet ${id}.`, { type: 'InvalidInput' });
  return subnet;
}

function readAddress(text: string): IpAddress {
  const address = parseAddress(text);
  if (!address) throw badRequest(`Invalid input for fixed_ips. Reason: '${text}' is not a valid IP address.`, { type: 'HTTPBadRequest' });
  return address;
}

function subnetHolding(subnets: SubnetRow[], address: IpAddress): SubnetRow {
  const subnet = subnets.find((candidate) => containsAddress(parseCidr(candidate.cidr)!, address));
  if (!subnet) throw badRequest(`IP address ${formatAddress(address)} is not a valid IP for any of the subnets on the specified network.`, { type: 'InvalidIpForNetwork' });
  return subnet;
}

async function takeRequest(trx: Trx, owner: AddressOwner, subnets: SubnetRow[], request: FixedIpRequest, position: number): Promise<Allocated> {
  const named = request.subnet_id === undefined ? undefined : findSubnet(subnets, request.subnet_id, owner.networkId);
  if (request.ip_address !== undefined) {
    const address = readAddress(request.ip_address);
    return takeAsked(trx, owner, named ?? subnetHolding(subnets, address), address, position);
  }
  return takeFirstOf(trx, owner, named ? [named] : subnets, position);
}

/**
 * Gives a port its addresses. Without a request: one of IPv4 and one of IPv6, as far as the network has subnets; and
 * always one of each subnet in which cards make their own address. Nothing is taken when any of it fails (the caller's
 * transaction is rolled back).
 */
export async function allocateAddresses(trx: Trx, owner: AddressOwner, requests: readonly FixedIpRequest[] | undefined, firstPosition = 0): Promise<Allocated[]> {
  const all = await subnetsOf(trx, owner.networkId);
  // A subnet with service types is kept for ports of those owners; whoever names it may have it.
  const subnets = requests ? all : all.filter((subnet) => serves(subnet, owner.deviceOwner));
  if (all.length > 0 && subnets.length === 0) throw conflict(`No valid service subnet for the given device owner, network ${owner.networkId}.`, { type: 'IpAddressGenerationFailureNoMatchingSubnet' });
  const allocated: Allocated[] = [];
  const position = () => firstPosition + allocated.length;
  if (requests) {
    for (const request of requests) allocated.push(await takeRequest(trx, owner, subnets, request, position()));
  } else {
    for (const version of [4, 6]) {
      const candidates = subnets.filter((subnet) => subnet.ip_version === version && !isSlaac(subnet));
      if (candidates.length > 0) allocated.push(await takeFirstOf(trx, owner, candidates, position()));
    }
  }
  if (isRouterPort(owner) || owner.deviceOwner.startsWith('network:') || requests?.length === 0) return allocated;
  for (const subnet of subnets.filter((candidate) => isSlaac(candidate) && !allocated.some(({ subnetId }) => subnetId === candidate.id))) {
    const automatic = await takeAny(trx, owner, subnet, position());
    if (automatic) allocated.push(automatic);
  }
  return allocated;
}

/** Makes the port's addresses those that are asked for; what it has and keeps is not given up in between. */
export async function changeAddresses(trx: Trx, owner: AddressOwner, requests: readonly FixedIpRequest[]): Promise<void> {
  const current = await trx.selectFrom('ip_allocations').selectAll().where('port_id', '=', owner.portId).orderBy('position').execute();
  const kept = new Set<string>();
  const wanted = requests.filter((request) => {
    const address = request.ip_address === undefined ? undefined : formatAddress(readAddress(request.ip_address));
    const match = current.find((row) => !kept.has(row.address_key + row.subnet_id) && (request.subnet_id === undefined || row.subnet_id === request.subnet_id)
      && (address === undefined ? request.subnet_id !== undefined : row.address === address));
    if (match) kept.add(match.address_key + match.subnet_id);
    return !match;
  });
  for (const row of current.filter((candidate) => !kept.has(candidate.address_key + candidate.subnet_id))) {
    await trx.deleteFrom('ip_allocations').where('subnet_id', '=', row.subnet_id).where('address_key', '=', row.address_key).execute();
  }
  const last = Math.max(-1, ...current.map((row) => row.position));
  if (wanted.length > 0) await allocateAddresses(trx, owner, wanted, last + 1);
}
