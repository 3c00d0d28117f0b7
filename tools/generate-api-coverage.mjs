/** `node tools/generate-api-coverage.mjs`: writes docs/api-coverage.md from the controllers of all apps. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundledTool } from './bundled-tool.mjs';

await bundledTool('tools/api-coverage.ts', ({ tool, root, load }) => {
  writeFileSync(join(root, 'docs/api-coverage.md'), tool.renderApiCoverage(root, load));
});
