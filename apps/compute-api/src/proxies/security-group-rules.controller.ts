import { Controller, Delete, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { isIP } from 'node:net';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, ValidBody } from '@virga/rest';
import { Served, under } from '../microversions';
import { NEIGHBOUR_APIS } from '../tokens';
import { segment, type NeighbourApis } from './neighbour-api';
import { ruleView, type NetworkRule } from './security-group.view';
import { checkGroupId, refused, visibleGroups } from './security-groups.controller';

const PortNumber = Type.Union([Type.Integer(), Type.String({ pattern: '^-?[0-9]{1,6}$' }), Type.Null()]);
const Text = Type.Union([Type.String({ maxLength: 255, format: 'text' }), Type.Null()]);
const Rule = Type.Object({
  security_group_rule: Type.Object({
    parent_group_id: Type.Union([Type.String({ maxLength: 255 }), Type.Integer()]),
    ip_protocol: Type.Optional(Type.Union([Type.String({ maxLength: 255 }), Type.Integer(), Type.Null()])),
    from_port: Type.Optional(PortNumber), to_port: Type.Optional(PortNumber), cidr: Type.Optional(Text), group_id: Type.Optional(Text),
  }),
});
type Port = number | string | null;
interface RuleBody {
  security_group_rule: { parent_group_id: string | number; ip_protocol?: string | number | null; from_port?: Port; to_port?: Port; cidr?: string | null; group_id?: string | null };
}

/** Ports (or ICMP type and code) that a protocol's rule may name. */
const BOUNDS: Record<string, readonly [number, number]> = { tcp: [1, 65_535], udp: [1, 65_535], icmp: [-1, 255] };
const UNNAMED: Record<string, readonly [number, number]> = { tcp: [1, 65_535], udp: [1, 65_535], icmp: [-1, -1] };

interface Traffic { protocol: string | null; from: number | null; to: number | null }

/** Protocol and ports as nova judged them: 400 for what is none, or for a rule that says too little. */
function traffic({ ip_protocol: asked, from_port: from, to_port: to, group_id: groupId }: RuleBody['security_group_rule']): Traffic {
  const named = asked !== undefined && asked !== null && asked !== '';
  if (!named && (from ?? to ?? null) === null && groupId) return { protocol: null, from: null, to: null };
  if (!named) throw badRequest('Not enough parameters to build a valid rule.');
  const protocol = String(asked).toLowerCase();
  const bounds = Object.hasOwn(BOUNDS, protocol) ? BOUNDS[protocol]! : undefined;
  if (!bounds) throw badRequest(`Invalid IP protocol ${protocol.slice(0, 60)}.`);
  if ((from ?? null) === null && (to ?? null) === null) {
    if (!groupId) throw badRequest('Not enough parameters to build a valid rule.');
    const [first, last] = UNNAMED[protocol]!;
    return { protocol, from: first, to: last };
  }
  const [first, last] = [Number(from ?? NaN), Number(to ?? NaN)];
  const wrong = (why: string) => badRequest(`Invalid port range ${String(from)}:${String(to)}. ${why}`);
  if (Number.isNaN(first) || Number.isNaN(last)) throw wrong('Both ends are needed');
  if (protocol === 'icmp') {
    if (first < bounds[0] || first > bounds[1] || last < bounds[0] || last > bounds[1]) throw wrong('For ICMP, the type:code must be valid');
  } else {
    if (first > last) throw wrong('Former value cannot be greater than the later');
    if (first < bounds[0] || last > bounds[1]) throw wrong(`Valid ${protocol.toUpperCase()} ports should be between 1-65535`);
  }
  return { protocol, from: first, to: last };
}

/** `address/prefix`, or an address alone; 400 for anything else. */
function checkCidr(cidr: string): 4 | 6 {
  const [address = '', prefix, ...rest] = cidr.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || (prefix !== undefined && (!/^\d{1,3}$/.test(prefix) || Number(prefix) > (version === 4 ? 32 : 128)))) throw badRequest(`Invalid cidr ${cidr.slice(0, 60)}.`);
  return version as 4 | 6;
}

/** Rules of security groups in compute's older form, until 2.35: only what is let in. */
@Controller(under('os-security-group-rules'))
export class SecurityGroupRulesController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis) {}

  @Post()
  @HttpCode(200)
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:rule:create')
  async create(@Caller() caller: RequestContext, @ValidBody(Rule) { security_group_rule: asked }: RuleBody) {
    const { parent_group_id: parentId, group_id: groupId } = asked;
    checkGroupId(parentId);
    if (groupId) checkGroupId(groupId);
    const { protocol, from, to } = traffic(asked);
    const cidr = groupId ? null : asked.cidr || '0.0.0.0/0';
    const version = cidr === null ? 4 : checkCidr(cidr);
    const groups = await visibleGroups(this.apis, caller);
    for (const id of groupId ? [parentId, groupId] : [parentId]) if (!groups.has(id)) throw notFound(`Security group ${id} not found.`);
    const wanted = {
      security_group_id: parentId, direction: 'ingress', ethertype: version === 4 ? 'IPv4' : 'IPv6', protocol,
      // -1 stood for any type and code of ICMP.
      port_range_min: from === -1 ? null : from, port_range_max: to === -1 ? null : to, remote_ip_prefix: cidr, remote_group_id: groupId || null,
    };
    const { security_group_rule: made } = await this.apis.network.ask<{ security_group_rule: NetworkRule }>(caller, 'POST', '/v2.0/security-group-rules', { security_group_rule: wanted }).catch(refused);
    return { security_group_rule: ruleView(made, groups) };
  }

  @Delete(':id')
  @HttpCode(202)
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:rule:delete')
  async remove(@Param('id') id: string, @Caller() caller: RequestContext) {
    checkGroupId(id);
    await this.apis.network.ask(caller, 'DELETE', `/v2.0/security-group-rules/${segment(id)}`).catch(refused);
  }
}
