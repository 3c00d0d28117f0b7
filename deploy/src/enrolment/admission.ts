import { randomBytes, randomUUID } from 'node:crypto';
import { badRequest, CloudError, conflict, unauthorized, unavailable, type Logger } from '@virga/core';
import { Authority, publicKeyOfRequest } from '@virga/mutual-tls';
import { agentUser } from '@virga/rpc';
import { authorityDirectory, chassisWish, southboundAuthorityDirectory } from '../pki/identities';
import { rabbitHash } from '../secrets';
import { FIRST_MEMBER_ADDRESS, LAST_MEMBER_ADDRESS, tunnelAddressOf, type Site } from '../site';
import { oneAtATime } from '../task-graph';
import { forgetMember, keepMember, membersOf, type Member } from './members';
import type { EnrolmentAnswer, EnrolmentRequest } from './messages';
import type { TokenStore } from './token-store';

export interface AdmissionOptions {
  /** The cloud as it is now. */
  site: () => Site;
  tokens: TokenStore;
  /** Names that hosts have in the API. */
  knownHosts: () => Promise<string[]>;
  /** Makes the broker know its users, the members among them. */
  tellBroker: (site: Site) => Promise<void>;
  logger: Logger;
}

/** Names of hosts that `host add` may still make, and names that mean this machine. */
const RESERVED = /^(host\d+|localhost|controller)$/;

/**
 * Lets machines in, one at a time: checks token, name, address and key, and gives certificates and a broker user. A token is used up
 * only by a machine that gets in; what has been made for one that does not is taken back.
 */
export class Admission {
  private readonly inTurn = oneAtATime();

  constructor(private readonly options: AdmissionOptions) {}

  /** `from` is the address that the request comes from. Throws CloudErrors: 400, 401, 409, 503. */
  admit(wish: EnrolmentRequest, from: string): Promise<EnrolmentAnswer> {
    return this.inTurn(() => this.admitNext(wish, from));
  }

  private async admitNext({ token, name, address, request }: EnrolmentRequest, from: string): Promise<EnrolmentAnswer> {
    const { tokens, logger } = this.options;
    this.refuseToken(tokens.fault(token.id, token.secret), token.id);
    const site = this.options.site();
    if (address !== from) throw badRequest(`A machine joins from the address at which others reach it: this request comes from ${from}, not from ${address}.`);
    const publicKey = await publicKeyOfRequest(request).catch((error: Error) => { throw badRequest(`It cannot be certified: ${error.message}.`); });
    await this.refuseName(site, name);
    refuseAddress(site, address);
    const tunnelAddress = freeTunnelAddress(site);
    this.refuseToken(tokens.take(token.id, token.secret), token.id);
    const member: Member = { name, hostId: randomUUID(), address, tunnelAddress, brokerPasswordHash: '', joinedAt: new Date().toISOString() };
    try {
      const brokerPassword = randomBytes(24).toString('base64url');
      member.brokerPasswordHash = rabbitHash(agentUser(member.hostId), brokerPassword);
      const [ca, southbound] = [await Authority.open(authorityDirectory(site)), await Authority.open(southboundAuthorityDirectory(site))];
      const certificate = await ca.certify(publicKey, { peer: { role: 'host', hostId: member.hostId }, addresses: [address], names: [name] });
      const chassisCertificate = await southbound.certify(publicKey, chassisWish(name));
      keepMember(site, member);
      await this.options.tellBroker(site);
      logger.info({ name, address, hostId: member.hostId, token: token.id }, 'a machine has joined');
      const { settings } = site;
      return {
        hostId: member.hostId, name, address, tunnelAddress, ca: ca.certificate, certificate, southboundCa: southbound.certificate, chassisCertificate, brokerPassword,
        cloud: { name: settings.name, portOffset: settings.portOffset, managementCidr: settings.managementCidr, externalCidr: settings.externalCidr, spice: settings.spice ?? false, controller: site.management.address },
      };
    } catch (error) {
      forgetMember(site, name);
      tokens.giveBack(token.id);
      logger.error({ err: error, name, address }, 'a machine could not be let in');
      throw unavailable('The machine could not be let in; see the log of enrolment at the controller. The token is still good.', { cause: error });
    }
  }

  private refuseToken(fault: string | undefined, id: string): void {
    if (!fault) return;
    this.options.logger.warn({ token: /^[0-9a-f]{16}$/.test(id) ? id : 'malformed', fault }, 'a token is refused');
    // Why is told to the operator and to nobody else.
    throw unauthorized('The token is not good: it is unknown, has been used or has expired. ./virga host token at the controller makes another.');
  }

  private async refuseName(site: Site, name: string): Promise<void> {
    if (RESERVED.test(name)) throw badRequest(`${name} is a name that hosts of the controller's own machine may have; choose another.`);
    let known: string[];
    try {
      known = await this.options.knownHosts();
    } catch (error) {
      throw unavailable('The names of the hosts that exist cannot be read now; try again.', { cause: error });
    }
    if (known.includes(name) || membersOf(site).some((member) => member.name === name)) throw conflict(`There is a host ${name} already; ./virga host remove ${name} at the controller takes it away.`);
  }
}

function refuseAddress(site: Site, address: string): void {
  const prefix = site.management.cidr.replace(/0\/24$/, '');
  const last = address.startsWith(prefix) ? Number(address.slice(prefix.length)) : NaN;
  if (!(last >= FIRST_MEMBER_ADDRESS && last <= LAST_MEMBER_ADDRESS)) {
    throw badRequest(`A machine that joins needs an address from ${prefix}${FIRST_MEMBER_ADDRESS} to ${prefix}${LAST_MEMBER_ADDRESS} on the management network; ${address} is none.`);
  }
  const other = membersOf(site).find((member) => member.address === address);
  if (other) throw conflict(`The host ${other.name} has the address ${address}.`);
}

function freeTunnelAddress(site: Site): string {
  const taken = new Set(membersOf(site).map((member) => member.tunnelAddress));
  for (let last = FIRST_MEMBER_ADDRESS; last <= LAST_MEMBER_ADDRESS; last++) if (!taken.has(tunnelAddressOf(last))) return tunnelAddressOf(last);
  throw conflict('No address for tunnels is left.');
}

export const isOutsidersFault = (error: unknown): boolean => error instanceof CloudError && error.kind !== 'unavailable';
