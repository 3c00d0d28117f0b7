import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { isDead, ownerName } from './owner-name';

const startTime = (pid: number) => { const line = readFileSync(`/proc/${pid}/stat`, 'utf8'); return line.slice(line.lastIndexOf(')') + 2).split(' ')[19]!; };
const place = ownerName().split('-')[1]!;

it('fits its column and differs each time', () => {
  expect(ownerName().length).toBeLessThanOrEqual(64);
  expect(ownerName()).not.toBe(ownerName());
});

it('a living process is not dead', () => expect(isDead(ownerName())).toBe(false));

it('a process that was killed is dead, and so is one whose number another has', async () => {
  const child = spawn('sleep', ['60']);
  const owner = `conductor-${place}-${child.pid}.${startTime(child.pid!)}-00000000`;
  expect(isDead(owner)).toBe(false);
  expect(isDead(`conductor-${place}-${child.pid}.1-00000000`)).toBe(true);
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  expect(isDead(owner)).toBe(true);
});

it('of another machine, or of another name, nothing is known', () => {
  expect(isDead(`conductor-00000000.1-${process.pid}.1-00000000`)).toBe(false);
  expect(isDead('conductor-8f14e45f-ceea-467f-a9e1-000000000000')).toBe(false);
});
