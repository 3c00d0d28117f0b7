/** `node tools/generate-configuration-manual.mjs`: writes docs/configuration.md from the schemas in apps' config.ts. */
import { build } from 'esbuild';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const directory = mkdtempSync(join(tmpdir(), 'virga-manual-'));
try {
  const outfile = join(directory, 'manual.cjs');
  await build({
    entryPoints: [join(root, 'tools/configuration-manual.ts')], outfile, bundle: true, platform: 'node', format: 'cjs', tsconfig: join(root, 'tsconfig.base.json'), logLevel: 'warning',
  });
  const { renderConfigurationManual } = createRequire(import.meta.url)(outfile);
  writeFileSync(join(root, 'docs/configuration.md'), renderConfigurationManual());
} finally {
  rmSync(directory, { recursive: true, force: true });
}
