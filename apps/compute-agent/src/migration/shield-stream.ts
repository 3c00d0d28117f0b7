import { isIPv6 } from 'node:net';
import { runTool } from '../disks/run-tool';
import { addressOf, portOf, streamsOf, type Stream } from './streams';

const TABLE = 'virga_streams';
/** No migration takes longer after its switch; an entry for a connection that is no more does no harm. */
const KEPT = '1h';

const FAMILIES = [{ set: 'shielded4', type: 'ipv4_addr', ip: 'ip' }, { set: 'shielded6', type: 'ipv6_addr', ip: 'ip6' }] as const;
const setOf = (address: string) => (isIPv6(address) ? 'shielded6' : 'shielded4');

/** Rules that drop TCP resets of the given connections as they come in. Adding them again changes nothing. */
export const shieldRules = (streams: readonly Stream[]): string => [
  `add table inet ${TABLE}`,
  ...FAMILIES.map(({ set, type }) => `add set inet ${TABLE} ${set} { type ${type} . inet_service . ${type} . inet_service; flags timeout; timeout ${KEPT}; }`),
  `add chain inet ${TABLE} input { type filter hook input priority -300; }`,
  `flush chain inet ${TABLE} input`,
  ...FAMILIES.map(({ set, ip }) => `add rule inet ${TABLE} input tcp flags & rst == rst ${ip} saddr . tcp sport . ${ip} daddr . tcp dport @${set} drop`),
  ...streams.map(({ local, remote }) => {
    const [here, there] = [addressOf(local), addressOf(remote)];
    return `add element inet ${TABLE} ${setOf(here)} { ${there} . ${portOf(remote)} . ${here} . ${portOf(local)} }`;
  }),
  '',
].join('\n');

/**
 * Lets no reset end the connections by which the rest of a guest's memory travels after its switch. A reset is not protected as what the
 * connection carries is, and once both ends have believed one the guest may not be able to go on: its machine at the destination may wait for a
 * page with the emulator's one lock held, and then it answers nobody who wants to give it a new connection. A connection that does not
 * end sends again by itself what was lost, for a quarter of an hour. Returns how many connections there are.
 */
export async function shieldStreams(instanceId: string): Promise<number> {
  const streams = await streamsOf(instanceId);
  if (streams.length > 0) await runTool('nft', ['-f', '-'], { input: shieldRules(streams) });
  return streams.length;
}
