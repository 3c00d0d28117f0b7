/**
 * What every file must keep. No type-aware rule: the compiler checks types, and lint stays fast.
 * Run it by `npm run lint` (tools/lint.sh), which first makes the project graph: without that the boundary rule is
 * skipped without a word.
 */
import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { explicitInjection } from './tools/lint-rules/explicit-injection.mjs';
import { fileName } from './tools/lint-rules/file-name.mjs';

const TESTS = ['**/*.spec.ts', '**/*.story.ts', '**/*-tests.ts', '**/*-conformance.ts', '**/stories/**/*.ts', '**/testing/**/*.ts', 'e2e/**/*.ts', 'bench/**/*.ts', 'tools/simulation/**/*.ts'];
const ENVIRONMENT_READERS = ['**/config.ts', 'deploy/**/*.ts', 'tools/**/*.ts', ...TESTS];

const layers = (...names) => names.map((name) => `layer:${name}`);
const DATABASE_PACKAGES = ['kysely', 'kysely/*', 'mysql2', 'mysql2/*'];
/** What each layer may import of ours; a layer that is not named here may import nothing. */
const MAY_IMPORT = {
  core: [],
  libvirt: [],
  ovsdb: [],
  domain: ['core'],
  rpc: ['core'],
  service: ['core', 'rpc'],
  'mutual-tls': ['core'],
  db: ['core', 'domain'],
  contracts: ['core', 'domain', 'rpc'],
  rest: ['core', 'rpc', 'contracts'],
  testing: ['core', 'domain', 'rpc', 'contracts', 'rest', 'db', 'service', 'mutual-tls', 'libvirt', 'ovsdb'],
  deploy: ['core', 'rpc', 'contracts', 'mutual-tls'],
  app: ['core', 'domain', 'rpc', 'contracts', 'rest', 'db', 'service', 'mutual-tls', 'libvirt', 'ovsdb', 'testing'],
};
const LIBS = MAY_IMPORT.testing.concat('testing');

/** The boundary rule; `more` are layers that every project may import besides, which tests need. */
const boundaries = (...more) => ['error', {
  // A lib's own alias inside the lib.
  allowCircularSelfDependency: true,
  // `testing` imports the libs and their tests import `testing`; what is not a test may not (see testingOnly).
  ignoredCircularDependencies: LIBS.map((lib) => [lib, 'testing']),
  depConstraints: [
    ...Object.entries(MAY_IMPORT).map(([layer, libs]) => ({
      sourceTag: `layer:${layer}`,
      onlyDependOnLibsWithTags: layers(...libs, ...more),
      // The rules of a cloud run anywhere: no package at all.
      ...(layer === 'domain' && { allowedExternalImports: [] }),
    })),
    {
      sourceTag: 'role:agent',
      onlyDependOnLibsWithTags: layers(...MAY_IMPORT.app.filter((lib) => lib !== 'db')),
      bannedExternalImports: DATABASE_PACKAGES,
    },
  ],
}];

const noDefaultExport = { selector: 'ExportDefaultDeclaration', message: 'Export by name.' };
const noInterfacePrefix = { selector: 'TSInterfaceDeclaration[id.name=/^I[A-Z][a-z]/]', message: 'No I-prefix: name the thing.' };
const environment = {
  selector: 'MemberExpression[object.name="process"][property.name="env"], MemberExpression[object.name="process"][property.value="env"]',
  message: 'Only config.ts reads the environment.',
};
const testingOnly = { group: ['@virga/testing', '@virga/*/testing', '**/testing', '**/testing/**'], message: 'Only tests may import what is made for tests.' };
const noDatabase = { group: ['@virga/db', ...DATABASE_PACKAGES], message: 'A hypervisor host has no access to the database: it reports by RPC.' };

const CORE_RULES = [
  'no-async-promise-executor', 'no-cond-assign', 'no-control-regex', 'no-debugger', 'no-dupe-else-if', 'no-duplicate-case', 'no-fallthrough', 'no-self-assign',
  'no-sparse-arrays', 'no-unsafe-finally', 'no-useless-catch', 'no-useless-escape',
];

export default tseslint.config(
  { ignores: ['dist/**', 'node_modules/**', '.nx/**', 'coverage/**', 'docs/**'] },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommended],
    plugins: { '@nx': nx, virga: { rules: { 'explicit-injection': explicitInjection, 'file-name': fileName } } },
    rules: {
      '@nx/enforce-module-boundaries': boundaries(),
      'virga/explicit-injection': 'error',
      'virga/file-name': 'error',
      'no-restricted-syntax': ['error', noDefaultExport, noInterfacePrefix, environment],
      'no-restricted-imports': ['error', { patterns: [testingOnly] }],
      'max-lines': ['error', { max: 400, skipBlankLines: true, skipComments: true }],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'prefer-const': ['error', { destructuring: 'all' }],
      ...Object.fromEntries(CORE_RULES.map((rule) => [rule, 'error'])),
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none', ignoreRestSiblings: true }],
    },
  },
  { files: ['apps/compute-agent/**/*.ts'], rules: { 'no-restricted-imports': ['error', { patterns: [testingOnly, noDatabase] }] } },
  { files: ENVIRONMENT_READERS, rules: { 'no-restricted-syntax': ['error', noDefaultExport, noInterfacePrefix] } },
  {
    files: TESTS,
    linterOptions: { reportUnusedDisableDirectives: 'off' },
    rules: {
      '@nx/enforce-module-boundaries': boundaries('testing'),
      'max-lines': 'off',
      'no-restricted-imports': 'off',
      // Answers of a server under test are looked into as they come.
      '@typescript-eslint/no-explicit-any': 'off',
    },
  },
  { files: ['apps/compute-agent/**/*.{spec,story}.ts', 'apps/compute-agent/**/testing/**/*.ts'], rules: { 'no-restricted-imports': ['error', { patterns: [noDatabase] }] } },
);
