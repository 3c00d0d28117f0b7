import { renderReport } from './verify';

const nothing = { clean: true, violations: [], repaired: [], unchecked: [], checked: 17, deadLetters: 0 };

it('says that all is well in one line', () => expect(renderReport(nothing)).toBe('The cloud is as it must be: 17 invariants hold.'));

it('gives every finding a line with its sentence', () => {
  const text = renderReport({
    clean: false, checked: 16, deadLetters: 2,
    violations: [{ invariant: 'port-belongs', key: 'p', sentence: 'Port p is nobody\'s.', problem: 'only a person can judge this' }],
    repaired: [{ invariant: 'quota-equals-rows', key: 'q', sentence: 'Project q is booked with 2.', done: 'booked anew' }],
    unchecked: [{ invariant: 'holding-belongs', reason: 'no inventory from host1' }],
  });
  expect(text.split('\n')).toEqual([
    'repaired   quota-equals-rows: Project q is booked with 2. Now: booked anew.',
    'VIOLATION  port-belongs: Port p is nobody\'s. Not repaired: only a person can judge this.',
    'UNCHECKED  holding-belongs: no inventory from host1',
    'note       2 message(s) could not be handled and lie in the broker\'s queue virga.dead.',
    '1 violation(s), 1 of 17 invariants could not be looked at.',
  ]);
});
