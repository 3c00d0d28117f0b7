import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderConfigurationManual } from './configuration-manual';

const root = join(__dirname, '..');

test('docs/configuration.md is what the schemas say; if not: node tools/generate-configuration-manual.mjs', () => {
  expect(readFileSync(join(root, 'docs/configuration.md'), 'utf8')).toBe(renderConfigurationManual());
});

test('every app is in it', () => {
  const manual = renderConfigurationManual();
  for (const app of readdirSync(join(root, 'apps'))) expect(manual).toContain(`\`dist/apps/${app}/main.js\``);
});
