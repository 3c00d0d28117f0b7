import { build } from 'esbuild';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8'));
const alias = Object.fromEntries(Object.entries(compilerOptions.paths).map(([name, [file]]) => [name, join(root, file)]));

/** Every source file that defines controllers. */
const controllerFiles = () => readdirSync(join(root, 'apps'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /\.ts$/.test(file) && !/\.(spec|story)\.ts$/.test(file)).map((file) => join(root, 'apps', file))
  .filter((file) => /^ *@Controller\(/m.test(readFileSync(file, 'utf8')));

/**
 * Bundles a tool written in TypeScript together with the controllers of all apps, and calls `run` with the tool's
 * exports, the repository's root, and `load`, which returns the exports of one of those files.
 */
export async function bundledTool(entry, run) {
  // Below the repository, so that the packages are found that are not bundled.
  mkdirSync(join(root, 'tmp'), { recursive: true });
  const directory = mkdtempSync(join(root, 'tmp/tool-'));
  try {
    const outfile = join(directory, 'tool.cjs');
    const files = controllerFiles();
    const contents = [
      `export * as tool from ${JSON.stringify(join(root, entry))};`,
      ...files.map((file, index) => `import * as file${index} from ${JSON.stringify(file)};`),
      `export const files = {${files.map((file, index) => `${JSON.stringify(file)}: file${index}`).join(', ')}};`,
    ].join('\n');
    await build({
      stdin: { contents, resolveDir: root, loader: 'ts' }, outfile, bundle: true, platform: 'node', target: 'node20', format: 'cjs', packages: 'external', alias,
      keepNames: true, tsconfig: join(root, 'tsconfig.base.json'), logLevel: 'warning',
    });
    const { tool, files: loaded } = createRequire(import.meta.url)(outfile);
    await run({ tool, root, load: (file) => loaded[file] });
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
