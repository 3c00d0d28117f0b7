import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Put, Query } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import { badRequest, CloudError, forbidden, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, readPage, ValidBody, type PolicyEnforcer } from '@virga/rest';
import { readBoolean } from '../booleans';
import { Served, under } from '../microversions';
import { ENFORCER, NEIGHBOUR_APIS, SETTINGS, type ComputeSettings } from '../tokens';
import { isUuid, segment, type NeighbourApis } from './neighbour-api';
import { groupView, type NetworkGroup } from './security-group.view';

// A name may be blank at its ends, but not altogether.
const Group = Type.Object({
  security_group: Type.Object({
    name: Type.String({ minLength: 1, maxLength: 255, format: 'text', pattern: '\\S' }), description: Type.String({ maxLength: 255, format: 'text' }),
  }),
});
const GroupChange = Type.Object({
  security_group: Type.Object({
    name: Type.Optional(Type.String({ minLength: 1, maxLength: 255, format: 'text', pattern: '\\S' })), description: Type.Optional(Type.String({ maxLength: 255, format: 'text' })),
  }),
});
interface GroupBody { security_group: { name?: string; description?: string } }

/** 400 for an id that cannot be one. */
export function checkGroupId(id: unknown): asserts id is string {
  if (!isUuid(id)) throw badRequest('Security group id should be uuid');
}

/** Neutron's refusals of groups and rules in nova's statuses: a conflict was a bad request then, and a full quota forbidden. */
export function refused(error: unknown): never {
  if (error instanceof CloudError && error.kind === 'conflict') throw (error.type === 'OverQuota' ? forbidden : badRequest)(error.message);
  throw error;
}

/** All groups that the caller sees, for the names of those that rules refer to. */
export async function visibleGroups({ network }: NeighbourApis, caller: RequestContext): Promise<Map<string, NetworkGroup>> {
  const { security_groups: groups } = await network.ask<{ security_groups: NetworkGroup[] }>(caller, 'GET', '/v2.0/security-groups');
  return new Map(groups.map((group) => [group.id, group]));
}

const order = (a: NetworkGroup, b: NetworkGroup): number => Number(a.tenant_id > b.tenant_id) - Number(a.tenant_id < b.tenant_id) || Number(a.name > b.name) - Number(a.name < b.name);

/** Security groups in the form that compute had for them, until 2.35. */
@Controller(under('os-security-groups'))
export class SecurityGroupsController {
  constructor(@Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:get')
  async list(@Caller() caller: RequestContext, @Query() query: Record<string, string>) {
    const everywhere = query.all_tenants !== undefined && readBoolean(query.all_tenants) !== false && this.policy.allows(caller, 'os_compute_api:os-security-groups:get:all_tenants');
    const { limit } = readPage({ ...(query.limit !== undefined && { limit: query.limit }) }, this.settings.maxLimit);
    const offset = readPage({ limit: query.offset ?? '0' }, Number.MAX_SAFE_INTEGER).limit;
    const groups = await visibleGroups(this.apis, caller);
    const shown = [...groups.values()].filter(({ tenant_id: owner }) => everywhere || owner === caller.project?.id).sort(order).slice(offset, offset + limit);
    return { security_groups: shown.map((group) => groupView(group, groups)) };
  }

  @Get(':id')
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext) {
    checkGroupId(id);
    const group = (await visibleGroups(this.apis, caller)).get(id);
    if (!group) throw notFound(`Security group ${id} not found.`);
    return this.shown(caller, group);
  }

  @Post()
  @HttpCode(200)
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:create')
  async create(@Caller() caller: RequestContext, @ValidBody(Group) { security_group: { name, description } }: GroupBody) {
    const { security_group: made } = await this.ask<{ security_group: NetworkGroup }>(caller, 'POST', '', { security_group: { name, description } });
    return this.shown(caller, made);
  }

  @Put(':id')
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:update')
  async update(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(GroupChange) { security_group: { name, description } }: GroupBody) {
    checkGroupId(id);
    const changes = { ...(name !== undefined && { name }), ...(description !== undefined && { description }) };
    const { security_group: changed } = await this.ask<{ security_group: NetworkGroup }>(caller, 'PUT', `/${segment(id)}`, { security_group: changes });
    return this.shown(caller, changed);
  }

  @Delete(':id')
  @HttpCode(202)
  @Served(1, 35)
  @Authorize('os_compute_api:os-security-groups:delete')
  async remove(@Param('id') id: string, @Caller() caller: RequestContext) {
    checkGroupId(id);
    await this.ask(caller, 'DELETE', `/${segment(id)}`);
  }

  private ask<T>(caller: RequestContext, method: string, path: string, body?: unknown): Promise<T> {
    return this.apis.network.ask<T>(caller, method, `/v2.0/security-groups${path}`, body).catch(refused);
  }

  /** With the names of the groups that its rules refer to, which are asked for only then. */
  private async shown(caller: RequestContext, group: NetworkGroup) {
    const refers = group.security_group_rules.some(({ remote_group_id: remote }) => remote !== null);
    return { security_group: groupView(group, refers ? await visibleGroups(this.apis, caller) : new Map()) };
  }
}
