import { Type, type TProperties } from '@sinclair/typebox';
import { actorOf, badRequest, notFound } from '@virga/core';
import { SERVER_ACTIONS } from '@virga/domain';
import { readBoolean } from '../../booleans';
import { isDown } from '../../evacuation/host-is-off';
import { planEvacuation } from '../../evacuation/plan-evacuation';
import type { OperationPlan } from '../../operations/begin-on-instance';
import type { InstanceRow } from '../../operations/workflow';
import { newPassword } from '../create-server';
import { Bool } from '../create-server.schema';
import type { ActionContext, ActionHandler } from './action';
import { startAction } from './start-action';

const body = (more: TProperties = {}) => Type.Object({
  host: Type.Optional(Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' })), adminPass: Type.Optional(Type.String({ maxLength: 255 })), ...more,
}, { additionalProperties: false });
interface EvacuateBody { host?: string; adminPass?: string; onSharedStorage?: boolean | string; force?: boolean | string }

/** Until then a server was on again after its evacuation if it had been on before. */
const STAYS_OFF = 95;

async function plan({ db, caller, at }: ActionContext, row: InstanceRow, { host, onSharedStorage, force }: EvacuateBody, adminPass: string): Promise<OperationPlan> {
  // Said before anything is written down; the operation looks again, and has the host fenced.
  if (!(await isDown(db, row.host_id!))) throw badRequest(`Compute service of ${row.host} is still in use.`);
  if (readBoolean(onSharedStorage ?? false)) throw badRequest('Invalid state of instance files on shared storage');
  const forced = readBoolean(force ?? false) === true;
  if (forced && host === undefined) throw badRequest("Can't force to a non-provided destination");
  if (host !== undefined) {
    if (host === row.host) throw badRequest("The target host can't be the same one.");
    const known = await db.selectFrom('hosts').select('id').where('hostname', '=', host).executeTakeFirst();
    if (!known) throw notFound(`Compute host ${host} not found.`);
  }
  return {
    ...planEvacuation(row, actorOf(caller), { ...(host !== undefined && { host }), ...(forced && { force: true }), stopped: row.vm_state === 'stopped' || at >= STAYS_OFF }),
    changes: { admin_pass: adminPass },
  };
}

/** Brings a server of a dead host up elsewhere, from its image; only administrators, and only when its host is down and surely off. */
export const evacuate: ActionHandler = {
  rule: SERVER_ACTIONS.evacuate.rule,
  schema: [['2.1', body({ onSharedStorage: Bool })], ['2.14', body()], ['2.29', body({ force: Type.Optional(Bool) })], ['2.68', body()]],
  status: 200,
  async run(context, given: EvacuateBody) {
    const adminPass = given.adminPass ?? newPassword();
    await startAction(context, 'evacuate', (row) => plan(context, row, given, adminPass));
    return context.at < 14 ? { adminPass } : undefined;
  },
};
