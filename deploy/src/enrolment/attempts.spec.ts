import { Attempts } from './attempts';

const limits = { windowMs: 60_000, perAddress: 3, inAll: 5 };
let time: number;
let attempts: Attempts;
beforeEach(() => { time = 0; attempts = new Attempts(limits, () => time); });
const fail = (address: string, times: number) => { for (let i = 0; i < times; i++) attempts.failed(address); };

it('does not listen for a while to one who fails again and again', () => {
  fail('a', 2);
  expect(attempts.pause('a')).toBeUndefined();
  time = 10_000;
  fail('a', 1);
  expect(attempts.pause('a')).toBe(50);
  expect(attempts.pause('b')).toBeUndefined();
  time = 60_001;
  expect(attempts.pause('a')).toBeUndefined();
});

it('does not listen to anybody when too many fail from everywhere', () => {
  for (const address of ['a', 'b', 'c', 'd', 'e']) fail(address, 1);
  expect(attempts.pause('f')).toBe(60);
});
