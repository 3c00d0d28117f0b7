import { Type } from '@sinclair/typebox';
import { conflict } from '@virga/core';
import { SERVER_ACTIONS } from '@virga/domain';
import { getInstance } from '../server.repository';
import type { ActionHandler } from './action';
import { checkAction } from './start-action';

const Password = Type.Object({ adminPass: Type.String() }, { additionalProperties: false });

/** Needs an agent inside the guest, and no guest has a line to one here: answered as nova answers for such a guest. */
export const changePassword: ActionHandler = {
  rule: SERVER_ACTIONS.changePassword.rule,
  schema: [['2.1', Password]],
  async run({ db, policy, caller, serverId }) {
    checkAction({ policy, caller }, 'changePassword', await getInstance(db, caller, serverId));
    throw conflict(`Failed to set admin password on ${serverId} because error setting admin password`);
  },
};
