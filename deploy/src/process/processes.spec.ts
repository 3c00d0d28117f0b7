import { isAlive, parseStat, pssKib, treeOf } from './processes';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

describe('parseStat', () => {
  it('finds its fields behind a command name with blanks and brackets', () => {
    const fields = Array.from({ length: 50 }, (_, index) => String(index + 3));
    expect(parseStat(`42 (a) S 1 (b) c) S 7 ${fields.slice(2).join(' ')}`)).toEqual({ state: 'S', ppid: 7, startTime: '22' });
  });

  it('knows nothing of half a line', () => {
    expect(parseStat('42 (x) S 1')).toBeUndefined();
  });
});

describe('processes', () => {
  it('are known by PID and start time, found as descendants, and measured', async () => {
    const child = spawn('sleep', ['60']);
    try {
      const { startTime } = parseStat(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))!;
      expect(isAlive({ pid: child.pid!, startTime })).toBe(true);
      expect(isAlive({ pid: child.pid!, startTime: String(Number(startTime) + 1) })).toBe(false);
      expect(treeOf(process.pid)).toContain(child.pid);
      expect(pssKib(process.pid)).toBeGreaterThan(1000);
      child.kill('SIGKILL');
      await new Promise((resolve) => { child.once('exit', resolve); });
      expect(isAlive({ pid: child.pid!, startTime })).toBe(false);
      expect(pssKib(child.pid!)).toBe(0);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
