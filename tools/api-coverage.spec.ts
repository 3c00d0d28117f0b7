import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { renderApiCoverage } from './api-coverage';
import { httpRoutes } from './http-routes';

const root = join(__dirname, '..');
const load = (file: string) => jest.requireActual<Record<string, unknown>>(file);

test('docs/api-coverage.md is what the controllers serve; if not: node tools/generate-api-coverage.mjs', () => {
  expect(readFileSync(join(root, 'docs/api-coverage.md'), 'utf8')).toBe(renderApiCoverage(root, load));
});

test('a route is found with its base, its verb and the schemas of its input', () => {
  const routes = httpRoutes(root, load);
  expect(routes).toContainEqual(expect.objectContaining({ app: 'network', method: 'PUT', path: '/v2.0/routers/:id/add_router_interface' }));
  expect(routes).toContainEqual(expect.objectContaining({ app: 'network', method: 'DELETE', path: '/v2.0/floatingips/:id' }));
  const create = routes.find(({ method, path }) => method === 'POST' && path === '/v2.1/flavors');
  expect(create?.body.length).toBeGreaterThan(0);
});

test('what is listed twice or misspelt would be counted wrongly', () => {
  const lines = readFileSync(join(root, 'tools/openstack-api.tsv'), 'utf8').trim().split('\n');
  expect(new Set(lines).size).toBe(lines.length);
  for (const line of lines) expect(line).toMatch(/^(identity|compute|network|image|placement)\t(GET|HEAD|POST|PUT|PATCH|DELETE)\t\/[^\s]*$/);
});
