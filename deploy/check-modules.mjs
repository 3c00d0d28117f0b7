/**
 * `node deploy/check-modules.mjs ROOT`: exit code 0 if node_modules holds what package-lock.json asks for, by npm's own
 * record of what it installed. Compares reality, so that neither a stale nor a half-written node_modules passes.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const root = process.argv[2];
const packages = (file) => JSON.parse(readFileSync(join(root, file), 'utf8')).packages;
try {
  const wanted = packages('package-lock.json');
  const installed = packages('node_modules/.package-lock.json');
  const differs = Object.entries(wanted).some(([path, { version, optional, link }]) => {
    if (path === '' || link) return false;
    const present = installed[path];
    // npm leaves optional packages of other platforms out.
    if (!present) return !optional;
    return present.version !== version || !existsSync(join(root, path, 'package.json'));
  });
  process.exit(differs ? 1 : 0);
} catch {
  process.exit(1);
}
