/** `unit` needs nothing but Node; `story` starts real services (MariaDB, RabbitMQ, libvirtd, OVSDB); `e2e` drives a whole cloud that e2e/run.sh has started. */
const { readFileSync } = require('node:fs');
const { compilerOptions } = JSON.parse(readFileSync(`${__dirname}/tsconfig.base.json`, 'utf8'));
const moduleNameMapper = Object.fromEntries(
  Object.entries(compilerOptions.paths).map(([name, [file]]) => [`^${name}$`, `<rootDir>/${file}`]),
);
const common = {
  testEnvironment: 'node',
  transform: {
    '^.+\\.[tm]?[jt]s$': ['@swc/jest', {
      jsc: { target: 'es2022', parser: { syntax: 'typescript', decorators: true }, transform: { legacyDecorator: true } },
      module: { type: 'commonjs' },
    }],
  },
  moduleNameMapper,
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};
module.exports = {
  projects: [
    { ...common, displayName: 'unit', testMatch: ['<rootDir>/{apps,libs,deploy,tools,e2e}/**/*.spec.ts'] },
    { ...common, displayName: 'story', testMatch: ['<rootDir>/{apps,libs,deploy,tools}/**/*.story.ts'], setupFilesAfterEnv: ['<rootDir>/tools/jest-story-setup.js'] },
    { ...common, displayName: 'e2e', testMatch: ['<rootDir>/e2e/**/*.e2e.ts'], setupFilesAfterEnv: ['<rootDir>/e2e/jest-setup.js'] },
  ],
};
