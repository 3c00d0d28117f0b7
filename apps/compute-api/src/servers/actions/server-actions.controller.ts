import { Body, Controller, Inject, Param, Post, Req, Res } from '@nestjs/common';
import { badRequest, notFound, type Logger, type RequestContext } from '@virga/core';
import { Authenticated, Caller, checkInput, FAULT_STYLES, pickStep, Version, type FastifyReply, type FastifyRequest, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { under } from '../../microversions';
import { BUS, DB, ENFORCER, LOGGER, NEIGHBOUR_APIS, NEIGHBOURS, SETTINGS, WAKE_RELAY, type Bus, type ComputeSettings, type Db, type NeighbourApis, type Neighbours, type WakeRelay } from '../../tokens';
import { getInstance } from '../server.repository';
import type { ActionHandler } from './action';
import { addressActions } from './addresses';
import { changePassword } from './change-password';
import { consoleOutput } from './console-output';
import { deferredDeleteActions } from './deferred-delete';
import { evacuate } from './evacuate';
import { imageActions } from './create-image';
import { legacyConsoleActions } from './legacy-consoles';
import { liveMigrate } from './live-migrate';
import { lockActions } from './lock';
import { powerActions } from './power';
import { rebuild } from './rebuild';
import { resetState } from './reset-state';
import { resizeActions } from './resize';
import { securityGroupActions } from './security-groups';

/** Everything that is built; any other key is no action of this cloud. */
export const SERVER_ACTION_HANDLERS: Record<string, ActionHandler> = {
  ...powerActions, ...lockActions, ...legacyConsoleActions, ...deferredDeleteActions, ...securityGroupActions, ...imageActions, ...addressActions, ...resizeActions, evacuate, rebuild, changePassword, 'os-migrateLive': liveMigrate, 'os-resetState': resetState, 'os-getConsoleOutput': consoleOutput,
};

@Controller(under('servers/:id/action'))
export class ServerActionsController {
  constructor(
    @Inject(DB) private readonly db: Db, @Inject(BUS) private readonly bus: Bus, @Inject(ENFORCER) private readonly policy: PolicyEnforcer, @Inject(WAKE_RELAY) private readonly wakeRelay: WakeRelay,
    @Inject(NEIGHBOURS) private readonly neighbours: Neighbours, @Inject(SETTINGS) private readonly settings: ComputeSettings, @Inject(LOGGER) private readonly logger: Logger,
    @Inject(NEIGHBOUR_APIS) private readonly apis: NeighbourApis,
  ) {}

  // Each action has a rule of its own, looked up by the body's key.
  @Post()
  @Authenticated()
  async act(@Param('id') serverId: string, @Body() body: unknown, @Caller() caller: RequestContext, @Version() version: Microversion, @Req() request: FastifyRequest, @Res({ passthrough: true }) reply: FastifyReply) {
    const style = FAULT_STYLES.compute;
    if (typeof body !== 'object' || body === null || Array.isArray(body)) throw badRequest(style.malformedBody);
    const keys = Object.keys(body);
    if (keys.length !== 1) throw badRequest(style.malformedBody);
    const key = keys[0]!;
    const action = Object.hasOwn(SERVER_ACTION_HANDLERS, key) ? SERVER_ACTION_HANDLERS[key] : undefined;
    const schema = action && pickStep(action.schema, version);
    if (!action || !schema) throw badRequest(`There is no such action: ${key}`);
    if (action.until !== undefined && version.minor > action.until) throw notFound('The resource could not be found.');
    this.policy.enforce(caller, action.rule);
    const argument = (body as Record<string, unknown>)[key];
    try {
      checkInput(schema, argument, style);
    } catch (error) {
      // Another project's server is not there, whatever is asked of it.
      await getInstance(this.db, caller, serverId);
      throw error;
    }
    const { db, bus, neighbours, apis, policy, settings, logger } = this;
    const result = await action.run({ db, bus, neighbours, apis, policy, settings, logger, request, reply, caller, serverId, at: version.minor }, argument as never);
    this.wakeRelay();
    void reply.status(action.status ?? 202);
    return result;
  }
}
