import { SERVER_ACTIONS, TASK_STATES, VM_STATES, refuseAction, serverStatus, statesOfStatus, stateFromObservation, type ServerAction, type VmState } from '.';

const id = '5d3b4a52-0000-4000-8000-000000000001';
const target = (vmState: string, taskState: string | null = null, locked = false) => ({ id, vmState, taskState, locked });

/** Written out a second time on purpose: the table must not be able to change by itself. */
const ALLOWED: Record<keyof typeof SERVER_ACTIONS, VmState[] | 'any'> = {
  start: ['stopped'],
  stop: ['active', 'error'],
  rebootSoft: ['active'],
  rebootHard: ['active', 'stopped', 'paused', 'suspended', 'error'],
  pause: ['active'],
  unpause: ['paused'],
  suspend: ['active'],
  resume: ['suspended'],
  attachInterface: ['active', 'paused', 'stopped'],
  detachInterface: ['active', 'paused', 'stopped'],
  addSecurityGroup: 'any',
  removeSecurityGroup: 'any',
  changePassword: ['active'],
  rebuild: ['active', 'stopped', 'error'],
  createImage: ['active', 'stopped', 'paused', 'suspended'],
  createBackup: ['active', 'stopped', 'paused', 'suspended'],
  liveMigrate: ['active', 'paused'],
  resize: ['active', 'stopped'],
  migrate: ['active', 'stopped'],
  confirmResize: ['resized'],
  revertResize: ['resized'],
  evacuate: ['active', 'stopped', 'error'],
  lock: 'any',
  unlock: 'any',
  resetState: 'any',
  consoleOutput: 'any',
};

describe.each(Object.entries(SERVER_ACTIONS) as [keyof typeof ALLOWED, ServerAction][])('action %s', (name, action) => {
  const allowed = ALLOWED[name];

  it.each(VM_STATES)('in vm_state %s', (vmState) => {
    const refusal = refuseAction(action, target(vmState), false);
    if (allowed === 'any' || allowed.includes(vmState)) expect(refusal).toBeUndefined();
    else expect(refusal).toEqual({ reason: 'vm_state', message: `Cannot '${action.name}' instance ${id} while it is in vm_state ${vmState}` });
  });

  it.each(TASK_STATES)('while task_state is %s', (taskState) => {
    const vmState = allowed === 'any' ? 'active' : allowed[0]!;
    const refusal = refuseAction(action, target(vmState, taskState), false);
    if (allowed === 'any') expect(refusal).toBeUndefined();
    else expect(refusal).toEqual({ reason: 'task_state', message: `Cannot '${action.name}' instance ${id} while it is in task_state ${taskState}` });
  });

  it('on a locked instance', () => {
    const vmState = allowed === 'any' ? 'active' : allowed[0]!;
    const refusal = refuseAction(action, target(vmState, null, true), false);
    if (action.whileLocked) expect(refusal).toBeUndefined();
    else expect(refusal).toEqual({ reason: 'locked', message: `Instance ${id} is locked` });
    expect(refuseAction(action, target(vmState, null, true), true)).toBeUndefined();
  });

  it('is kept off by a lock when it changes the server', () => {
    expect(action.whileLocked).toBe(['lock', 'unlock', 'resetState', 'consoleOutput'].includes(name));
  });

  it('sets a task state exactly when it starts something', () => {
    expect(action.taskState === undefined).toBe(allowed === 'any');
  });
});

describe('status', () => {
  it.each([
    ['building', 'scheduling', 'BUILD'], ['building', null, 'BUILD'], ['active', null, 'ACTIVE'], ['active', 'rebooting', 'REBOOT'],
    ['active', 'rebooting_hard', 'HARD_REBOOT'], ['active', 'deleting', 'ACTIVE'], ['active', 'rebuild_spawning', 'REBUILD'], ['stopped', 'resize_migrating', 'RESIZE'],
    ['resized', null, 'VERIFY_RESIZE'], ['resized', 'resize_reverting', 'REVERT_RESIZE'], ['paused', 'migrating', 'MIGRATING'], ['rescued', null, 'RESCUE'],
    ['shelved_offloaded', null, 'SHELVED_OFFLOADED'], ['error', 'rebuilding', 'REBUILD'], ['stopped', null, 'SHUTOFF'], ['stopped', 'rebooting_hard', 'SHUTOFF'],
    ['paused', null, 'PAUSED'], ['suspended', null, 'SUSPENDED'], ['error', null, 'ERROR'], ['error', 'deleting', 'ERROR'], ['deleted', null, 'DELETED'], ['odd', null, 'UNKNOWN'],
  ])('%s with %s is %s', (vmState, taskState, status) => expect(serverStatus(vmState, taskState)).toBe(status));

  it('is found again by its states', () => {
    for (const vmState of VM_STATES) {
      for (const taskState of [null, ...TASK_STATES]) {
        const states = statesOfStatus(serverStatus(vmState, taskState).toLowerCase())!;
        expect(states.vmStates).toContain(vmState);
        if (states.taskStates) expect(states.taskStates).toContain(taskState);
      }
    }
    expect(statesOfStatus('NOSUCH')).toBeUndefined();
  });
});

describe('observation', () => {
  it.each([
    ['active', 4, 'stopped'], ['active', 6, 'stopped'], ['active', 1, undefined], ['active', 0, undefined], ['active', 3, undefined],
    ['paused', 4, 'stopped'], ['paused', 3, undefined], ['stopped', 4, undefined], ['stopped', 1, undefined], ['error', 4, undefined], ['building', 4, undefined], ['suspended', 4, undefined],
  ])('%s seen in power state %s', (vmState, powerState, becomes) => expect(stateFromObservation(vmState, powerState)?.vmState).toBe(becomes));
});
