import { notFound, silentLogger, unavailable } from '@virga/core';
import { isStillHere } from './is-still-here';
import { SelfFence } from './self-fence';

function lab() {
  const power = new Map<string, number>([['a', 1], ['b', 3], ['c', 4]]);
  const state = { silent: 0, restored: 0, refuses: false };
  const driver = {
    list: async () => [...power].map(([instanceId, powerState]) => ({ instanceId, powerState: powerState as 1 })),
    powerOff: async (id: string) => { if (state.refuses) throw new Error('libvirt is away'); power.set(id, 4); },
  };
  const fence = new SelfFence(driver, { silentMs: () => state.silent }, 10_000, async () => { state.restored++; }, silentLogger);
  return { power, state, fence };
}

it('leaves guests alone as long as the control plane answers often enough', async () => {
  const { power, state, fence } = lab();
  state.silent = 9999;
  await fence.check();
  expect([...power.values()]).toEqual([1, 3, 4]);
  expect(fence.fenced).toBe(false);
  expect(state.restored).toBe(0);
});

it('switches off what runs or is paused, and restores once when it is answered again', async () => {
  const { power, state, fence } = lab();
  state.silent = 10_000;
  await fence.check();
  expect([...power.values()]).toEqual([4, 4, 4]);
  expect(fence.fenced).toBe(true);
  state.silent = 0;
  await fence.check();
  await fence.check();
  expect(state.restored).toBe(1);
  expect(fence.fenced).toBe(false);
});

it('tries again what it could not switch off, also a guest that was started meanwhile', async () => {
  const { power, state, fence } = lab();
  state.silent = 20_000;
  state.refuses = true;
  await fence.check();
  expect(power.get('a')).toBe(1);
  state.refuses = false;
  await fence.check();
  power.set('c', 1);
  await fence.check();
  expect([...power.values()]).toEqual([4, 4, 4]);
});

describe('isStillHere', () => {
  const signal = new AbortController().signal;

  it('is what the control plane says', async () => {
    expect(await isStillHere(async () => ({}), silentLogger, signal)).toBe(true);
    expect(await isStillHere(() => Promise.reject(notFound('It is elsewhere.')), silentLogger, signal)).toBe(false);
  });

  it('is not guessed while nobody says it', async () => {
    let asked = 0;
    const stop = new AbortController();
    const answer = isStillHere(() => { if (++asked === 2) stop.abort(new Error('stopping')); return Promise.reject(unavailable('away')); }, silentLogger, stop.signal);
    await expect(answer).rejects.toThrow();
    expect(asked).toBe(2);
  });
});
