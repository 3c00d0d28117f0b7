/**
 * Proves that the rules which can be off without anybody's notice are on: sources with a planted fault must be refused
 * by the named rule, and sources without one must pass. Nothing is written. Part of tools/lint.sh.
 */
import { ESLint } from 'eslint';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const BOUNDARY = '@nx/enforce-module-boundaries';

/** File, source, and the rule that must refuse it (none: must pass). */
const PROBES = [
  ['apps/compute-agent/src/canary.ts', "import { createDatabase } from '@virga/db';\nexport const it = createDatabase;\n", BOUNDARY],
  ['apps/compute-agent/src/canary.ts', "import { Kysely } from 'kysely';\nexport const it = Kysely;\n", BOUNDARY],
  ['libs/domain/src/canary.ts', "import { Type } from '@sinclair/typebox';\nexport const it = Type;\n", BOUNDARY],
  ['libs/core/src/canary.ts', "import { servicePermissions } from '@virga/rpc';\nexport const it = servicePermissions;\n", BOUNDARY],
  ['apps/image/src/canary.ts', "import { readConfig } from '../../network/src/config';\nexport const it = readConfig;\n", BOUNDARY],
  ['apps/image/src/canary.ts', "import { testIdentity } from '@virga/testing';\nexport const it = testIdentity;\n", 'no-restricted-imports'],
  ['libs/core/src/canary.ts', "export const it = process.env['HOME'];\n", 'no-restricted-syntax'],
  ['apps/image/src/canary.ts', '@Injectable()\nexport class It { constructor(private readonly it: Date) {} }\n', 'virga/explicit-injection'],
  ['apps/image/src/string-utils.ts', 'export const it = 1;\n', 'virga/file-name'],
  ['apps/compute-agent/src/canary.ts', "import { CloudError } from '@virga/core';\nexport const it = CloudError;\n"],
  ['apps/image/src/canary.ts', "import { createDatabase } from '@virga/db';\nexport const it = createDatabase;\n"],
  ['apps/image/src/canary.spec.ts', "import { testIdentity } from '@virga/testing';\nexport const it = testIdentity;\n"],
];

const eslint = new ESLint({ cwd: root });
let failed = 0;
for (const [file, source, rule] of PROBES) {
  const [{ messages }] = await eslint.lintText(source, { filePath: join(root, file) });
  const rules = messages.map(({ ruleId }) => ruleId);
  if (rule ? rules.includes(rule) : rules.length === 0) continue;
  failed++;
  console.error(`canary: ${file} should ${rule ? `be refused by ${rule}` : 'pass'}, but the findings are ${JSON.stringify(rules)}:\n${source}`);
}
if (failed === 0) console.log(`canary: ${PROBES.length} probes answered as they should`);
process.exit(failed === 0 ? 0 : 1);
