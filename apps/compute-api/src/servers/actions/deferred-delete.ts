import { Type } from '@sinclair/typebox';
import { conflict } from '@virga/core';
import { deleteServer } from '../delete-server';
import { getInstance } from '../server.repository';
import type { ActionHandler } from './action';

const Nothing = [['2.1', Type.Union([Type.Null(), Type.Object({}), Type.String()])]] as const;

/** Deleted servers are not kept for a while, so that deletion is always at once and there is nothing to bring back. */
export const deferredDeleteActions: Record<string, ActionHandler> = {
  forceDelete: {
    rule: 'os_compute_api:os-deferred-delete:force',
    schema: Nothing,
    async run({ db, caller, policy, serverId }) {
      await deleteServer(db, caller, serverId, policy.allows(caller, 'os_compute_api:os-lock-server:unlock:unlock_override'));
    },
  },
  restore: {
    rule: 'os_compute_api:os-deferred-delete:restore',
    schema: Nothing,
    async run({ db, caller, serverId }) {
      const { vm_state: state } = await getInstance(db, caller, serverId);
      throw conflict(`Cannot 'restore' instance ${serverId} while it is in vm_state ${state}`);
    },
  },
};
