import { appendFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { boundConsoleLog, lastLines, readConsoleLog } from './console-log';

const dir = mkdtempSync(join(tmpdir(), 'virga-console-'));
afterAll(() => rmSync(dir, { recursive: true }));

it.each([
  ['a\nb\nc\n', 2, 'c\n'], ['a\nb\nc\n', 4, 'a\nb\nc\n'], ['a\nb\nc', 2, 'b\nc'], ['a\nb', 5, 'a\nb'], ['', 3, ''], ['\n\n\n', 1, ''], ['\n\n\n', 3, '\n\n'], ['a\nb\n', 0, ''],
])('takes of %j the last %i lines', (text, lines, expected) => {
  expect(lastLines(Buffer.from(text), lines).toString()).toBe(expected);
});

it('bounds a flooded log and still shows what came before and after', async () => {
  const path = join(dir, 'console.log');
  writeFileSync(path, `${'x'.repeat(5000)}\nold end\n`);
  expect(await boundConsoleLog(path, 1000)).toBe(true);
  expect(await boundConsoleLog(path, 1000)).toBe(false);
  appendFileSync(path, 'new\n');
  expect(statSync(path).size).toBe(4);
  expect((await readConsoleLog(path, 100, 3)).toString()).toBe('old end\nnew\n');
  expect((await readConsoleLog(path, 100)).length).toBe(100);
  expect((await readConsoleLog(join(dir, 'none'), 100)).length).toBe(0);
});
