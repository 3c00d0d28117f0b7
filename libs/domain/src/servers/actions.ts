import type { TaskState, VmState } from './states';

/** One action of POST /servers/{id}/action. */
export interface ServerAction {
  /** Key of the body. */
  key: string;
  /** Name in messages and in the list of instance actions. */
  name: string;
  /** Policy rule. */
  rule: string;
  /** States from which it is allowed; `any` when the state does not matter. */
  vmStates: readonly VmState[] | 'any';
  /** True when it may start while something else is being done to the instance. */
  duringTask: boolean;
  /** True when a lock does not keep its owner from it. */
  whileLocked: boolean;
  /** What the instance's task_state becomes; absent when nothing is started. */
  taskState?: TaskState;
}

const power = (key: string, name: string, rule: string, vmStates: readonly VmState[], taskState: TaskState): ServerAction =>
  ({ key, name, rule: `os_compute_api:${rule}`, vmStates, duringTask: false, whileLocked: false, taskState });
const always = (key: string, name: string, rule: string, whileLocked: boolean): ServerAction =>
  ({ key, name, rule: `os_compute_api:${rule}`, vmStates: 'any', duringTask: true, whileLocked });

/** The states are nova's (its compute API refuses the others with 409). */
export const SERVER_ACTIONS = {
  start: power('os-start', 'start', 'servers:start', ['stopped'], 'powering-on'),
  stop: power('os-stop', 'stop', 'servers:stop', ['active', 'error'], 'powering-off'),
  rebootSoft: power('reboot', 'reboot', 'servers:reboot', ['active'], 'rebooting'),
  rebootHard: power('reboot', 'reboot', 'servers:reboot', ['active', 'stopped', 'paused', 'suspended', 'error'], 'rebooting_hard'),
  pause: power('pause', 'pause', 'os-pause-server:pause', ['active'], 'pausing'),
  unpause: power('unpause', 'unpause', 'os-pause-server:unpause', ['paused'], 'unpausing'),
  suspend: power('suspend', 'suspend', 'os-suspend-server:suspend', ['active'], 'suspending'),
  resume: power('resume', 'resume', 'os-suspend-server:resume', ['suspended'], 'resuming'),
  attachInterface: power('os-interface', 'attach_interface', 'os-attach-interfaces:create', ['active', 'paused', 'stopped'], 'attaching_interface'),
  detachInterface: power('os-interface', 'detach_interface', 'os-attach-interfaces:delete', ['active', 'paused', 'stopped'], 'detaching_interface'),
  addSecurityGroup: always('addSecurityGroup', 'addSecurityGroup', 'os-security-groups:add', false),
  removeSecurityGroup: always('removeSecurityGroup', 'removeSecurityGroup', 'os-security-groups:remove', false),
  changePassword: power('changePassword', 'changePassword', 'os-admin-password', ['active'], 'updating_password'),
  rebuild: power('rebuild', 'rebuild', 'servers:rebuild', ['active', 'stopped', 'error'], 'rebuilding'),
  createImage: power('createImage', 'createImage', 'servers:create_image', ['active', 'stopped', 'paused', 'suspended'], 'image_snapshot'),
  createBackup: power('createBackup', 'createBackup', 'os-create-backup', ['active', 'stopped', 'paused', 'suspended'], 'image_backup'),
  liveMigrate: power('os-migrateLive', 'os-migrateLive', 'os-migrate-server:migrate_live', ['active', 'paused'], 'migrating'),
  resize: power('resize', 'resize', 'servers:resize', ['active', 'stopped'], 'resize_prep'),
  migrate: power('migrate', 'migrate', 'os-migrate-server:migrate', ['active', 'stopped'], 'resize_prep'),
  confirmResize: power('confirmResize', 'confirmResize', 'servers:confirm_resize', ['resized'], 'resize_confirming'),
  revertResize: power('revertResize', 'revertResize', 'servers:revert_resize', ['resized'], 'resize_reverting'),
  evacuate: power('evacuate', 'evacuate', 'os-evacuate', ['active', 'stopped', 'error'], 'rebuilding'),
  lock: always('lock', 'lock', 'os-lock-server:lock', true),
  unlock: always('unlock', 'unlock', 'os-lock-server:unlock', true),
  resetState: always('os-resetState', 'reset_state', 'os-admin-actions:reset_state', true),
  consoleOutput: always('os-getConsoleOutput', 'get_console_output', 'os-console-output', true),
} as const satisfies Record<string, ServerAction>;
export type ServerActionName = keyof typeof SERVER_ACTIONS;

export interface ActionTarget { id: string; vmState: string; taskState: string | null; locked: boolean }
export type ActionRefusal = { reason: 'locked' | 'vm_state' | 'task_state'; message: string };

/**
 * Why `action` may not start on the instance now, in nova's words (409); undefined when it may.
 * `mayOverrideLock` is for administrators.
 */
export function refuseAction(action: ServerAction, target: ActionTarget, mayOverrideLock: boolean): ActionRefusal | undefined {
  if (target.locked && !action.whileLocked && !mayOverrideLock) return { reason: 'locked', message: `Instance ${target.id} is locked` };
  const wrong = (attribute: 'vm_state' | 'task_state', state: string): ActionRefusal =>
    ({ reason: attribute, message: `Cannot '${action.name}' instance ${target.id} while it is in ${attribute} ${state}` });
  if (action.vmStates !== 'any' && !(action.vmStates as readonly string[]).includes(target.vmState)) return wrong('vm_state', target.vmState);
  if (!action.duringTask && target.taskState !== null) return wrong('task_state', target.taskState);
  return undefined;
}
