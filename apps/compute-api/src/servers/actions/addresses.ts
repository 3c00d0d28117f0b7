import { Type } from '@sinclair/typebox';
import { badRequest } from '@virga/core';
import { segment } from '../../proxies/neighbour-api';
import { associate, disassociate, portsOf, type PortFacts } from '../../proxies/floating-ips';
import { getInstance } from '../server.repository';
import type { ActionContext, ActionHandler } from './action';

const Ipv4 = Type.String({ format: 'ipv4' });
const strict = { additionalProperties: false };
const Floating = Type.Object({ address: Ipv4 }, strict);
const FloatingToFixed = Type.Object({ address: Ipv4, fixed_address: Type.Optional(Ipv4) }, strict);
const OnNetwork = Type.Object({ networkId: Type.Union([Type.String({ minLength: 1, maxLength: 255 }), Type.Integer()]) }, strict);
const Address = Type.Object({ address: Type.Union([Ipv4, Type.String({ format: 'ipv6' })]) }, strict);

/** Writes the port's addresses anew; the network service takes one where only a subnet is told. */
const setAddresses = ({ apis, caller }: ActionContext, port: PortFacts, fixedIps: object[]): Promise<unknown> =>
  apis.network.ask(caller, 'PUT', `/v2.0/ports/${segment(port.id)}`, { port: { fixed_ips: fixedIps } });

/** A server's addresses as actions of compute, until 2.43: floating IPs, and further fixed IPs on its ports. */
export const addressActions: Record<string, ActionHandler> = {
  addFloatingIp: {
    rule: 'os_compute_api:os-floating-ips:add', schema: [['2.1', FloatingToFixed]], until: 43,
    async run({ apis, db, caller, serverId }, { address, fixed_address: fixed }: { address: string; fixed_address?: string }) {
      await getInstance(db, caller, serverId);
      await associate(apis, caller, serverId, address, fixed);
    },
  },
  removeFloatingIp: {
    rule: 'os_compute_api:os-floating-ips:remove', schema: [['2.1', Floating]], until: 43,
    async run({ apis, db, caller, serverId }, { address }: { address: string }) {
      await getInstance(db, caller, serverId);
      await disassociate(apis, caller, serverId, address);
    },
  },
  addFixedIp: {
    rule: 'os_compute_api:os-multinic:add', schema: [['2.1', OnNetwork]], until: 43,
    async run(context, { networkId }: { networkId: string | number }) {
      const { apis, db, caller, serverId } = context;
      await getInstance(db, caller, serverId);
      const port = (await portsOf(apis, caller, serverId)).find(({ network_id: id }) => id === String(networkId));
      const subnet = port?.fixed_ips[0]?.subnet_id;
      if (!port || subnet === undefined) throw badRequest(`Network could not be found for instance ${serverId}.`);
      await setAddresses(context, port, [...port.fixed_ips, { subnet_id: subnet }]);
    },
  },
  removeFixedIp: {
    rule: 'os_compute_api:os-multinic:remove', schema: [['2.1', Address]], until: 43,
    async run(context, { address }: { address: string }) {
      const { apis, db, caller, serverId } = context;
      await getInstance(db, caller, serverId);
      const port = (await portsOf(apis, caller, serverId)).find(({ fixed_ips: ips }) => ips.some(({ ip_address: ip }) => ip === address));
      if (!port) throw badRequest(`Fixed IP ${address} not found on instance ${serverId}`);
      await setAddresses(context, port, port.fixed_ips.filter(({ ip_address: ip }) => ip !== address));
    },
  },
};
