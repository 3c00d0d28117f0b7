import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

test('the generated types are those of the installed schemas', () => {
  expect(execFileSync(process.execPath, [join(__dirname, '../../generate-types.mjs'), '--check'], { encoding: 'utf8' })).toBe('');
});
