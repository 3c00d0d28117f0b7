import { errorMessage } from '@virga/core';
import { inTransaction } from '@virga/db';
import type { Behaviour } from '@virga/testing';
import { serveAgentGateway } from '../gateway/agent-gateway';
import { neighboursOn } from '../neighbours';
import { cancelOperation, type CancelAnswer } from '../operations/cancel-operation';
import { ConductorEngine } from '../operations/conductor-engine';
import { startOperation } from '../operations/start-operation';
import type { Step, StepContext, Workflow } from '../operations/workflow';
import { WORKFLOWS } from '../workflows';
import { startLab } from './lab';

/** An engine with a workflow of our own in the place of power actions. */
async function prepared(steps: Step[], more: Partial<Workflow> = {}) {
  const lab = await startLab({ hosts: 0, withoutConductor: true });
  const ends: string[] = [];
  const noted = (end: string) => async () => void ends.push(end);
  const workflow: Workflow = { kind: 'power-action', steps, succeeded: noted('succeeded'), failed: noted('failed'), cancelled: noted('cancelled'), ...more };
  const workflows = { ...WORKFLOWS, 'power-action': workflow };
  const bus = lab.broker.connect('conductor');
  const engine = new ConductorEngine({ db: lab.db, neighbours: neighboursOn(bus), logger: lab.logger, workflows, wakeRelay: () => undefined, sweepMs: 50 });
  const served = await serveAgentGateway({ db: lab.db, bus, logger: lab.logger, wake: (id) => engine.wake(id), wakeRelay: () => undefined, defaultZone: 'nova', leaseMs: 60_000 });
  engine.start();
  const agent = await lab.addHost();
  const { body } = await lab.call('POST', '/v2.1/servers', { server: { name: 's', imageRef: lab.images.add(), flavorRef: await lab.makeFlavor(), networks: 'none' } });
  const instanceId = body.server.id as string;
  await lab.active(instanceId);
  const { generation } = await lab.db.selectFrom('instances').select('generation').where('id', '=', instanceId).executeTakeFirstOrThrow();
  const begin = () => inTransaction(lab.db, (trx) => startOperation(trx, { kind: 'power-action', instanceId, generation, actor: { requestId: 'req-1', userId: 'u', projectId: lab.projectId, roles: [] }, action: 'test' }));
  const cancel = (id: string) => inTransaction(lab.db, (trx) => cancelOperation(trx, id, workflows));
  const row = (id: string) => lab.db.selectFrom('operations').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
  const ended = (id: string) => lab.until(() => row(id), ({ finished_at: at }) => at !== null);
  const stop = async () => { await engine.stop(); await served.stop(); await lab.stop(); };
  return { lab, agent, instanceId, ends, begin, cancel, row, ended, stop };
}

const gate = () => {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => { open = resolve; });
  return { open, opened };
};

/** Two steps that note what they do; the second waits in the middle until it is let go. */
function stepsThatWait(done: string[], over: Partial<Step> = {}) {
  const begun = gate();
  const go = gate();
  const steps: Step[] = [
    { name: 'first', timeoutMs: 60_000, do: async () => void done.push('first'), undo: async () => void done.push('undo first') },
    { name: 'second', timeoutMs: 60_000, do: async () => { begun.open(); await go.opened; done.push('second'); }, undo: async () => void done.push('undo second'), ...over },
    { name: 'third', timeoutMs: 60_000, do: async () => void done.push('third'), undo: async () => void done.push('undo third') },
  ];
  return { steps, begun: begun.opened, go: go.open };
}

it('undoes what was done when the step that is under way has ended; twice is harmless', async () => {
  const done: string[] = [];
  const { steps, begun, go } = stepsThatWait(done);
  const { begin, cancel, ended, ends, stop, lab } = await prepared(steps);
  const id = await begin();
  await begun;
  expect([await cancel(id), await cancel(id)]).toEqual<CancelAnswer[]>(['requested', 'requested']);
  go();
  expect(await ended(id)).toMatchObject({ state: 'cancelled' });
  expect(done).toEqual(['first', 'second', 'undo second', 'undo first']);
  expect(ends).toEqual(['cancelled']);
  expect(await cancel(id)).toBe('ended');
  expect(await cancel('no-such-operation')).toBe('ended');
  expect(await lab.db.selectFrom('operation_steps').select(['step', 'phase', 'result']).where('operation_id', '=', id).where('started_at', 'is not', null).orderBy('id').execute()).toEqual([
    { step: 'first', phase: 'do', result: 'Success' }, { step: 'second', phase: 'do', result: 'Success' },
    { step: 'second', phase: 'undo', result: 'Success' }, { step: 'first', phase: 'undo', result: 'Success' },
  ]);
  await stop();
});

it('loses against a point of no return that is reached, and is refused after it', async () => {
  const done: string[] = [];
  const { steps, begun, go } = stepsThatWait(done, { pointOfNoReturn: true });
  const third = gate();
  steps[2]!.do = async () => { await third.opened; done.push('third'); };
  const { begin, cancel, row, ended, ends, stop, lab } = await prepared(steps);
  const id = await begin();
  await begun;
  expect(await cancel(id)).toBe('requested');
  go();
  await lab.until(() => row(id), ({ no_return: passed }) => passed === 1);
  expect(await cancel(id)).toBe('noReturn');
  third.open();
  expect(await ended(id)).toMatchObject({ state: 'done' });
  expect(done).toEqual(['first', 'second', 'third']);
  expect(ends).toEqual(['succeeded']);
  await stop();
});

it('a failure after a point of no return is told at the end, and undoes nothing', async () => {
  const done: string[] = [];
  const { begin, ended, ends, stop, lab } = await prepared([
    { name: 'first', timeoutMs: 60_000, do: async () => void done.push('first'), undo: async () => void done.push('undo first') },
    { name: 'switch', timeoutMs: 60_000, do: async (context: StepContext) => { await context.passPointOfNoReturn(); throw Object.assign(new Error('unplugged'), { code: 'X' }); } },
    { name: 'third', timeoutMs: 60_000, do: async () => void done.push('third'), undo: async () => void done.push('undo third') },
  ]);
  const id = await begin();
  const operation = await ended(id);
  expect(operation).toMatchObject({ state: 'failed', no_return: 1 });
  expect(JSON.parse(operation.error_json!)).toMatchObject({ step: 'switch' });
  expect([done, ends]).toEqual([['first', 'third'], ['failed']]);
  expect(await lab.db.selectFrom('operation_steps').select(['step', 'result']).where('operation_id', '=', id).where('started_at', 'is not', null).orderBy('id').execute())
    .toEqual([{ step: 'first', result: 'Success' }, { step: 'switch', result: 'Error' }, { step: 'third', result: 'Success' }]);
  await stop();
});

it.each<[string, Behaviour, string[], string]>([
  ['calls a command back, waits for its report and undoes', 'silent', ['undo second', 'undo first'], 'cancelled'],
  ['undoes a command that has ended well before it was called back', 'ok', ['second', 'undo second', 'undo first'], 'cancelled'],
])('%s', async (_, behaviour, expected, end) => {
  const done: string[] = [];
  const asked = gate();
  const go = gate();
  const { begin, cancel, ended, ends, stop, agent, instanceId } = await prepared([
    { name: 'first', timeoutMs: 60_000, do: async () => undefined, undo: async () => void done.push('undo first') },
    {
      name: 'second', timeoutMs: 60_000,
      do: async (context) => {
        await context.command(agent.hostId, 'stop', { timeoutSeconds: 60 }).catch((error: unknown) => { if (/^parked$/.test(errorMessage(error))) asked.open(); throw error; });
        asked.open();
        if (behaviour === 'ok') await go.opened;
        done.push('second');
        // Not sent any more.
        await context.command(agent.hostId, 'start', {});
      },
      undo: async (context) => { await context.command(agent.hostId, 'start', {}); done.push('undo second'); },
    },
  ]);
  agent.behaviour.stop = behaviour;
  const id = await begin();
  await asked.opened;
  expect(await cancel(id)).toBe('requested');
  go.open();
  expect(await ended(id)).toMatchObject({ state: end });
  expect(done).toEqual(expected);
  expect(ends).toEqual(['cancelled']);
  expect(agent.executed.filter(({ instanceId: of }) => of === instanceId).map(({ verb }) => verb)).toEqual(['build', 'stop', 'start']);
  await stop();
});

it('is refused for a kind that says nothing of it, and makes no other attempt of one that is being undone', async () => {
  const done: string[] = [];
  const undoing = gate();
  const go = gate();
  const steps: Step[] = [
    { name: 'first', timeoutMs: 60_000, do: async () => void done.push('first'), undo: async () => void done.push('undo first') },
    { name: 'second', timeoutMs: 60_000, do: async () => void done.push('second'), undo: async () => { undoing.open(); await go.opened; done.push('undo second'); } },
    { name: 'third', timeoutMs: 60_000, do: async () => { throw Object.assign(new Error('no'), { code: 'X' }); } },
  ];
  const { begin, cancel, ended, ends, stop, lab } = await prepared(steps, { retry: { from: 'second', attempts: 3, note: (data) => data } });
  const build = await lab.db.selectFrom('operations').select('id').where('kind', '=', 'build-instance').executeTakeFirstOrThrow();
  expect(await cancel(build.id)).toBe('unsupported');
  const id = await begin();
  await undoing.opened;
  expect(await cancel(id)).toBe('requested');
  go.open();
  expect(await ended(id)).toMatchObject({ state: 'cancelled', attempt: 1 });
  expect([done, ends]).toEqual([['first', 'second', 'undo second', 'undo first'], ['cancelled']]);
  await stop();
});
