import { KILLED, readOptions, TRIALS } from './options';

it('tries everything when nothing is said', () => {
  expect(readOptions([])).toEqual({ state: '/var/tmp/virga-trials', only: TRIALS, count: 10, shuttles: 100, parts: KILLED });
});
it('takes what it is told', () => {
  expect(readOptions(['--only', 'reset,drain', '--count', '3', '--parts', 'conductor', '--keep', '--results', 'x.md'])).toMatchObject({ only: ['reset', 'drain'], count: 3, parts: ['conductor'], results: 'x.md' });
});
it.each([[['--nosuch', '1']], [['--count']], [['--count', '0']], [['--count', 'x']], [['--only', 'busy,nosuch']], [['--parts', 'mariadb']]])('refuses %j', (argv) => {
  expect(() => readOptions(argv)).toThrow();
});
