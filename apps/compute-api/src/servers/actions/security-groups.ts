import { Type } from '@sinclair/typebox';
import { actorOf, badRequest, CloudError, conflict, notFound } from '@virga/core';
import { inTransaction } from '@virga/db';
import { SERVER_ACTIONS } from '@virga/domain';
import { recordAction } from '../../operations/start-operation';
import { lockServer } from '../change-guard';
import { getInstance } from '../server.repository';
import type { ActionContext, ActionHandler } from './action';
import { checkAction } from './start-action';

const Group = Type.Object({ name: Type.String({ minLength: 1, maxLength: 255 }) }, { additionalProperties: false });

/** Refusals of the network service with nova's statuses; what is not named is a bad request. */
const REFUSALS: Record<string, (message: string) => CloudError> = {
  SecurityGroupNotFound: (message) => notFound(message),
  NoUniqueMatch: (message) => conflict(message),
};

async function change({ db, neighbours, policy, caller, serverId }: ActionContext, name: 'addSecurityGroup' | 'removeSecurityGroup', group: string): Promise<void> {
  const present = name === 'addSecurityGroup';
  checkAction({ policy, caller }, name, await getInstance(db, caller, serverId));
  const changed = await neighbours.network.changeSecurityGroup({ actor: actorOf(caller), instanceId: serverId, group, present }).catch((error: unknown) => {
    if (!(error instanceof CloudError) || error.status >= 500) throw error;
    throw (REFUSALS[error.type ?? ''] ?? badRequest)(error.message);
  });
  await inTransaction(db, async (trx) => {
    const row = await lockServer(trx, caller, serverId, { ignoreLock: true });
    const names = (JSON.parse(row.security_groups_json) as string[]).filter((other) => other !== changed.name);
    await trx.updateTable('instances').set({ security_groups_json: JSON.stringify(present ? [...names, changed.name] : names) }).where('id', '=', serverId).execute();
    await recordAction(trx, { instanceId: serverId, action: SERVER_ACTIONS[name].name, actor: actorOf(caller) });
  });
}

/** Security groups of all ports of a server. */
export const securityGroupActions: Record<string, ActionHandler> = {
  addSecurityGroup: {
    rule: SERVER_ACTIONS.addSecurityGroup.rule, schema: [['2.1', Group]],
    run: (context, { name }: { name: string }) => change(context, 'addSecurityGroup', name),
  },
  removeSecurityGroup: {
    rule: SERVER_ACTIONS.removeSecurityGroup.rule, schema: [['2.1', Group]],
    run: (context, { name }: { name: string }) => change(context, 'removeSecurityGroup', name),
  },
};
