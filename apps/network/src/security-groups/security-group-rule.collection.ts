import { Type } from '@sinclair/typebox';
import { badRequest, conflict, newUuid, notFound, type RequestContext } from '@virga/core';
import { isDuplicateKey, sql } from '@virga/db';
import { normalizedPrefix, ruleFault, ruleFingerprint, type RuleInput } from '@virga/domain';
import { decodeRow, encodeColumns, type Attributes, type InputOf } from '../api/attributes';
import type { Collection, Trx, View } from '../api/collection';
import { Nullable, STANDARD_ATTRIBUTES, Text } from '../api/standard-attributes';
import { claimQuota } from '../quotas/quota-limits';
import { groupNotFound, touchGroup, visibleGroupIds } from './group-rows';

const { name: _name, description: _description, ...standard } = STANDARD_ATTRIBUTES;
const Port = Nullable(Type.Integer());

export const RULE_ATTRIBUTES = {
  ...standard,
  description: { schema: Nullable(Text()), in: 'post', default: '' },
  security_group_id: { schema: Text(), in: 'post', required: true },
  direction: { schema: Type.Union([Type.Literal('ingress'), Type.Literal('egress')]), in: 'post', required: true },
  ethertype: { schema: Type.Union([Type.Literal('IPv4'), Type.Literal('IPv6')]), in: 'post', default: 'IPv4' },
  protocol: { schema: Nullable(Type.Union([Text(40), Type.Integer({ minimum: 0, maximum: 255 })])), in: 'post', default: null },
  port_range_min: { schema: Port, in: 'post', default: null },
  port_range_max: { schema: Port, in: 'post', default: null },
  remote_ip_prefix: { schema: Nullable(Text(64)), in: 'post', default: null },
  remote_group_id: { schema: Nullable(Text()), in: 'post', default: null },
  normalized_cidr: { schema: Nullable(Type.String()) },
} as const satisfies Attributes;

export const ruleViews = (rows: readonly object[]): View[] => rows.map((row) => {
  const view = decodeRow(RULE_ATTRIBUTES, row as Record<string, unknown>);
  return { ...view, tenant_id: view.project_id, remote_address_group_id: null };
});

function toRule(input: InputOf<typeof RULE_ATTRIBUTES>): RuleInput {
  const protocol = input.protocol === null || input.protocol === undefined ? null : String(input.protocol).toLowerCase();
  return {
    direction: input.direction!, ethertype: input.ethertype!, protocol: protocol === 'any' || protocol === '' ? null : protocol,
    portMin: input.port_range_min ?? null, portMax: input.port_range_max ?? null, remoteIpPrefix: input.remote_ip_prefix ?? null, remoteGroupId: input.remote_group_id ?? null,
  };
}

async function createRule(trx: Trx, caller: RequestContext, given: Record<string, unknown>): Promise<string> {
  const input = given as InputOf<typeof RULE_ATTRIBUTES>;
  const rule = toRule(input);
  const fault = ruleFault(rule);
  if (fault) throw badRequest(fault.message, { type: fault.type });
  await visibleGroupIds(trx, caller, [input.security_group_id!]);
  if (rule.remoteGroupId !== null) await visibleGroupIds(trx, caller, [rule.remoteGroupId]);
  await claimQuota(trx, 'security_group_rule', input.project_id!);
  const fingerprint = ruleFingerprint(rule);
  const id = newUuid();
  const columns = encodeColumns(RULE_ATTRIBUTES, {
    ...input, protocol: rule.protocol, port_range_min: rule.portMin, port_range_max: rule.portMax, ethertype: rule.ethertype,
    normalized_cidr: rule.remoteIpPrefix === null ? null : normalizedPrefix(rule.remoteIpPrefix),
  });
  try {
    await trx.insertInto('security_group_rules').values({ ...columns, id, fingerprint } as never).execute();
  } catch (error) {
    if (!isDuplicateKey(error)) throw error;
    const existing = await trx.selectFrom('security_group_rules').select('id').where('security_group_id', '=', input.security_group_id!).where('fingerprint', '=', fingerprint).executeTakeFirst();
    throw conflict(`Security group rule already exists. Rule id is ${existing?.id}.`, { type: 'SecurityGroupRuleExists' });
  }
  await touchGroup(trx, input.security_group_id!);
  return id;
}

export const securityGroupRuleCollection: Collection = {
  table: 'security_group_rules',
  singular: 'security_group_rule',
  plural: 'security_group_rules',
  attributes: RULE_ATTRIBUTES,
  missing: { type: 'SecurityGroupRuleNotFound', message: (id) => `Security group rule ${id} does not exist` },
  visible(caller) {
    const projectId = caller.project?.id ?? null;
    return caller.roleNames.has('admin') ? undefined
      : sql<boolean>`(project_id = ${projectId} or security_group_id in (select g.id from security_groups g where g.project_id = ${projectId}))`;
  },
  async target(db, row) {
    const group = await db.selectFrom('security_groups').select('project_id').where('id', '=', row.security_group_id as string).executeTakeFirst();
    return { projectId: row.project_id as string, parentProjectId: group?.project_id };
  },
  async newTarget(db, caller, input) {
    const id = input.security_group_id as string;
    const group = await db.selectFrom('security_groups').select('project_id').where('id', '=', id).executeTakeFirst();
    if (!group || (!caller.roleNames.has('admin') && group.project_id !== caller.project?.id)) throw groupNotFound(id);
    return { projectId: input.project_id as string, parentProjectId: group.project_id };
  },
  extend: async (_db, rows) => rows.map(() => ({ remote_address_group_id: null })),
  create: createRule,
  async remove(trx, _caller, row) {
    if (!(await trx.deleteFrom('security_group_rules').where('id', '=', row.id).executeTakeFirst()).numDeletedRows) throw notFound(`Security group rule ${row.id} does not exist`, { type: 'SecurityGroupRuleNotFound' });
    await touchGroup(trx, row.security_group_id as string);
  },
};
