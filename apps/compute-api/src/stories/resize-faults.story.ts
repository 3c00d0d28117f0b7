import { silentLogger } from '@virga/core';
import { INVARIANTS } from '../verify/invariants';
import { verifyCloud } from '../verify/verify-cloud';
import { act, all, asked, expectOnePlace, heal, lab, look, newest, reaches, resize, row, server, settled, VERBS } from './resize-lab';

describe('when a conductor is killed', () => {
  /** Kills all of them while the host has the command, and has another take over. */
  async function killWhile(verb: string): Promise<void> {
    const { agent, command } = await asked(verb);
    for (const conductor of lab.conductors.splice(0)) await conductor.kill();
    heal();
    await lab.addConductor();
    await agent.report(command, 'ok');
  }

  it.each(VERBS)('a resize goes on: %s', async (verb) => {
    all(verb, 'silent');
    await resize();
    await killWhile(verb);
    await reaches('VERIFY_RESIZE');
    await act({ confirmResize: null });
    await reaches('ACTIVE');
    await expectOnePlace();
  });

  it.each(['destroy', 'bringBack'])('a way back goes on: %s', async (verb) => {
    await resize();
    await reaches('VERIFY_RESIZE');
    all(verb, 'silent');
    await act({ revertResize: null });
    await killWhile(verb);
    await reaches('ACTIVE');
    await expectOnePlace();
  });

  it('a confirmation goes on', async () => {
    await resize();
    await reaches('VERIFY_RESIZE');
    all('discardAside', 'silent');
    await act({ confirmResize: null });
    await killWhile('discardAside');
    await reaches('ACTIVE');
    await expectOnePlace();
  });
});

// The end of each test asserts that nothing is left.
it.each(VERBS)('is deleted in the middle: %s', async (verb) => {
  all(verb, 'silent');
  await resize();
  await asked(verb);
  expect((await lab.call('DELETE', `/v2.1/servers/${server}`)).status).toBe(204);
  await lab.gone(server);
  expect((await lab.db.selectFrom('migrations').select('status').where('instance_id', '=', server).executeTakeFirstOrThrow()).status).toBe('cancelled');
});

it('is deleted while it waits for its confirmation, and while that goes on', async () => {
  await resize();
  await reaches('VERIFY_RESIZE');
  all('discardAside', 'silent');
  await act({ confirmResize: null });
  await asked('discardAside');
});

it('stays resized when its new host does not let go of it, and can be confirmed then', async () => {
  await resize();
  await reaches('VERIFY_RESIZE');
  all('destroy', { fail: 'busy' });
  await act({ revertResize: null });
  await lab.until(() => lab.db.selectFrom('instance_faults').select('message').where('instance_id', '=', server).execute(), (faults) => faults.length > 0);
  heal();
  await reaches('VERIFY_RESIZE');
  expect((await newest()).status).toBe('finished');
  await act({ confirmResize: null });
  await reaches('ACTIVE');
  await expectOnePlace();
});

it('is taken back by a reset of the state', async () => {
  all('receiveDisks', 'silent');
  await resize();
  await asked('receiveDisks');
  expect((await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-resetState': { state: 'active' } })).status).toBe(202);
  await settled();
  heal();
  expect((await newest()).status).toBe('cancelled');
  await expectOnePlace();
});

it('is confirmed by itself after a time', async () => {
  const conductor = await lab.addConductor({ resizeConfirmSeconds: 3600 });
  await resize();
  await reaches('VERIFY_RESIZE');
  await conductor.stop();
  expect((await row()).vm_state).toBe('resized');
  const hasty = await lab.addConductor({ resizeConfirmSeconds: 1 });
  await reaches('ACTIVE');
  await hasty.stop();
  expect((await newest()).status).toBe('confirmed');
  await expectOnePlace();
});

it('gives up the way back when an administrator declares it to be something else', async () => {
  await resize();
  await reaches('VERIFY_RESIZE');
  await lab.asAdmin('POST', `/v2.1/servers/${server}/action`, { 'os-resetState': { state: 'active' } });
  const broken = await look();
  expect(new Set(broken.violations.map(({ invariant }) => invariant))).toEqual(new Set(['move-awaits-word', 'allocation-belongs', 'aside-belongs']));
  const context = { db: lab.db, bus: lab.broker.connect('conductor'), logger: silentLogger, wake: () => undefined, wakeRelay: () => undefined };
  await verifyCloud(context, INVARIANTS, { fix: true, pauseMs: 20 });
  expect((await newest()).status).toBe('error');
  await expectOnePlace();
});
