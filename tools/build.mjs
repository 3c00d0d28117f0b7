/**
 * Bundles every process entry (apps/<app>/src/main*.ts, deploy's command and the benchmarks) into dist/, one file each.
 * `node tools/build.mjs [app...]` builds only the named apps.
 */
import { build } from 'esbuild';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { consolePagesPlugin } from './console-pages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.base.json'), 'utf8'));
const alias = Object.fromEntries(Object.entries(compilerOptions.paths).map(([name, [file]]) => [name, join(root, file)]));
const wanted = process.argv.slice(2);
const apps = readdirSync(join(root, 'apps')).filter((app) => wanted.length === 0 || wanted.includes(app));

/** Entry name (dist path without .js) -> source file. */
const entryPoints = {};
for (const app of apps) {
  const src = join(root, 'apps', app, 'src');
  for (const file of existsSync(src) ? readdirSync(src) : []) {
    if (/^main(\.[a-z-]+)?\.ts$/.test(file)) entryPoints[`apps/${app}/${file.replace(/\.ts$/, '')}`] = join(src, file);
  }
}
if (wanted.length === 0 || wanted.includes('deploy')) {
  for (const file of readdirSync(join(root, 'deploy/src')).filter((name) => /^main(\.[a-z-]+)?\.ts$/.test(name))) {
    entryPoints[`deploy/${file.replace(/\.ts$/, '')}`] = join(root, 'deploy/src', file);
  }
}
if (wanted.length === 0 || wanted.includes('bench')) {
  for (const file of readdirSync(join(root, 'bench')).filter((name) => name.endsWith('.ts'))) {
    entryPoints[`bench/${file.replace(/\.ts$/, '')}`] = join(root, 'bench', file);
  }
}

if (wanted.length === 0 || wanted.includes('e2e')) for (const suite of ['chaos', 'trials']) entryPoints[`e2e/${suite}`] = join(root, 'e2e', suite, 'main.ts');

await build({
  entryPoints,
  outdir: join(root, 'dist'),
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  sourcemap: true,
  keepNames: true,
  plugins: [consolePagesPlugin],
  alias,
  tsconfig: join(root, 'tsconfig.base.json'),
  logLevel: 'warning',
  // Nest loads these only when a feature that we do not use is on.
  external: ['@nestjs/websockets', '@nestjs/websockets/*', '@nestjs/platform-express', 'class-validator', 'class-transformer', 'class-transformer/*',
    '@fastify/static', '@fastify/view', '@grpc/grpc-js', '@grpc/proto-loader', 'kafkajs', 'mqtt', 'nats', 'ioredis', 'amqp-connection-manager'],
});
console.log(`built ${Object.keys(entryPoints).length} entries`);
