import { Controller, Get, Inject, Param, Query, Req } from '@nestjs/common';
import type { Selectable } from '@virga/db';
import { badRequest, notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, readPage, Version, withQuery, type FastifyRequest, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../../microversions';
import type { InstanceActionsTable, OperationStepsTable } from '../../db/schema';
import { microTime, microTimeOrNull, readTime } from '../../times';
import { DB, ENFORCER, SETTINGS, type ComputeSettings, type Db } from '../../tokens';
import { obfuscatedHostId } from '../server-row';
import { serverNotFound } from '../server-errors';

type Action = Selectable<InstanceActionsTable>;

const actionView = (action: Action, at: number) => ({
  action: action.action, instance_uuid: action.instance_id, request_id: action.request_id, user_id: action.user_id, project_id: action.project_id,
  start_time: microTime(action.start_time), message: action.message, ...(at >= 58 && { updated_at: microTime(action.updated_at) }),
});

/** What was done to a server: one entry a request, its events are the steps of the operation that carried it out. */
@Controller(under('servers/:id/os-instance-actions'))
export class InstanceActionsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Authorize('os_compute_api:os-instance-actions:list')
  async list(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Query() query: Record<string, string>, @Req() request: FastifyRequest) {
    await this.checkServer(id, caller, minor);
    let select = this.db.selectFrom('instance_actions').selectAll().where('instance_id', '=', id).orderBy('id', 'desc');
    if (minor < 58) return { instanceActions: (await select.execute()).map((action) => actionView(action, minor)) };
    const page = readPage(query, this.settings.maxLimit);
    if (query['changes-since']) select = select.where('updated_at', '>=', time(query['changes-since'], 'changes-since'));
    if (minor >= 66 && query['changes-before']) select = select.where('updated_at', '<=', time(query['changes-before'], 'changes-before'));
    if (page.marker !== undefined) {
      const marker = await this.db.selectFrom('instance_actions').select('id').where('instance_id', '=', id).where('request_id', '=', page.marker).executeTakeFirst();
      if (!marker) throw badRequest(`marker [${page.marker}] not found`);
      select = select.where('id', '<', marker.id);
    }
    const rows = page.limit === 0 ? [] : await select.limit(page.limit).execute();
    return {
      instanceActions: rows.map((action) => actionView(action, minor)),
      ...(rows.length > 0 && rows.length === page.limit && { links: [{ rel: 'next', href: withQuery(request, { marker: rows.at(-1)!.request_id }) }] }),
    };
  }

  @Get(':requestId')
  @Authorize('os_compute_api:os-instance-actions:show')
  async show(@Param('id') id: string, @Param('requestId') requestId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    const projectId = await this.checkServer(id, caller, minor);
    const action = await this.db.selectFrom('instance_actions').selectAll().where('instance_id', '=', id).where('request_id', '=', requestId).executeTakeFirst();
    if (!action) throw notFound(`Action ${requestId} not found`);
    const mayTrace = this.policy.allows(caller, 'os_compute_api:os-instance-actions:events');
    if (minor < 51 && !mayTrace) return { instanceAction: actionView(action, minor) };
    const steps = action.operation_id === null ? [] : await this.db.selectFrom('operation_steps').selectAll().where('operation_id', '=', action.operation_id).where('started_at', 'is not', null).orderBy('id', 'desc').execute();
    const mayDetails = this.policy.allows(caller, 'os_compute_api:os-instance-actions:events:details');
    const event = (step: Selectable<OperationStepsTable>) => ({
      event: `compute_${step.phase === 'undo' ? 'undo_' : ''}${step.step}`,
      start_time: microTime(step.started_at!),
      finish_time: microTimeOrNull(step.finished_at),
      result: step.result,
      ...(mayTrace && { traceback: null }),
      ...(minor >= 62 && { ...(mayTrace && { host: step.host ?? '' }), hostId: obfuscatedHostId(step.host, projectId) }),
      ...(minor >= 84 && mayDetails && { details: step.details }),
    });
    return { instanceAction: { ...actionView(action, minor), events: steps.map(event) } };
  }

  /** From 2.21 on the history of a deleted server can be read. Returns its project. */
  private async checkServer(id: string, caller: RequestContext, minor: number): Promise<string> {
    let query = this.db.selectFrom('instances').select('project_id').where('id', '=', id);
    if (minor < 21) query = query.where('deleted_at', 'is', null);
    if (!caller.roleNames.has('admin')) query = query.where('project_id', '=', caller.project?.id ?? '');
    const row = await query.executeTakeFirst();
    if (!row) throw serverNotFound(id);
    return row.project_id;
  }
}

function time(text: string, name: string): Date {
  const read = readTime(text);
  if (!read) throw badRequest(`Invalid input for query parameters ${name}. Value: ${text}. '${text}' is not a 'date-time'`);
  return read;
}
