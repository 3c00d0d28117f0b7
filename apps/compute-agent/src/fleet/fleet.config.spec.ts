import { readFailures, readTimes } from './fleet.config';

it('reads times and failures by verb', () => {
  expect(readTimes('prepare=50-200,start=5-5')).toEqual({ prepare: [50, 200], start: [5, 5] });
  expect(readFailures('start=0.25,remove=1')).toEqual({ start: 0.25, remove: 1 });
  expect([readTimes(''), readFailures('')]).toEqual([{}, {}]);
});

it.each(['boot=1-2', 'start=2-1', 'start=-1-2', 'start', 'constructor=1-2'])('refuses %s as times', (text) => { expect(() => readTimes(text)).toThrow(/VIRGA_FLEET_TIMES/); });
it.each(['start=2', 'start=-0.1', 'start=x', 'toString=0'])('refuses %s as failures', (text) => { expect(() => readFailures(text)).toThrow(/VIRGA_FLEET_FAILURES/); });
