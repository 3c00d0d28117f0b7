/** `npm run fuzz`: see tools/fuzz/main.ts. */
import { bundledTool } from '../bundled-tool.mjs';

await bundledTool('tools/fuzz/main.ts', async ({ tool, root, load }) => {
  process.exitCode = await tool.main(root, load, process.argv.slice(2));
});
