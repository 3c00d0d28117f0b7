import { join } from 'node:path';
import { startTestCloud, type TestCloud } from '../../apps/identity/src/testing/test-cloud';
import { startLab, type Lab } from '../../apps/compute-api/src/stories/lab';
import { NetworkHarness } from '../../apps/network/src/testing/network-harness';
import { faultOf } from './judge';
import { fuzz, type FuzzResult } from './fuzzer';
import { fuzzRoutes } from './routes';

const root = join(__dirname, '../..');
const routes = fuzzRoutes(root, (file) => jest.requireActual<Record<string, unknown>>(file));
const of = (app: string) => routes.filter((route) => route.app === app);
/** The same requests every time, so that a failure in CI is a failure here. `npm run fuzz` takes another seed each time. */
const SEED = 20261125;
const REQUESTS = 600;

function expectNoFault(result: FuzzResult): void {
  expect(result.failures).toEqual([]);
  // Requests must get past the first check, or nothing was tried.
  const successes = Object.entries(result.statuses).filter(([status]) => / 2\d\d$/.test(status)).reduce((sum, [, count]) => sum + count, 0);
  expect(successes).toBeGreaterThan(REQUESTS / 20);
}

describe('hostile requests get an error of the service and show nothing of the inside', () => {
  it('network', async () => {
    const harness = await NetworkHarness.start('fuzz_network');
    try {
      await harness.app.http.listen(0, '127.0.0.1');
      const { port } = harness.app.http.getHttpServer().address() as { port: number };
      expectNoFault(await fuzz({ routes: of('network'), bases: { network: `http://127.0.0.1:${port}` }, tokens: [harness.admin().token!, harness.user().token!], requests: REQUESTS, seed: SEED }));
    } finally {
      await harness.stop();
    }
  }, 120_000);

  it('identity', async () => {
    const cloud: TestCloud = await startTestCloud('fuzz_identity');
    try {
      const avoid = ({ method, path }: { method: string; path: string }) => method === 'DELETE' && path.startsWith('/v3/auth/tokens');
      expectNoFault(await fuzz({ routes: of('identity'), bases: { identity: cloud.url }, tokens: [await cloud.admin()], requests: REQUESTS, seed: SEED, avoid }));
    } finally {
      await cloud.stop();
    }
  }, 120_000);

  it('compute', async () => {
    const lab: Lab = await startLab();
    try {
      expectNoFault(await fuzz({ routes: of('compute-api'), bases: { 'compute-api': new URL(lab.base).origin }, tokens: [lab.admin, lab.member], requests: REQUESTS, seed: SEED }));
    } finally {
      await lab.stop();
    }
  }, 120_000);
});

describe('the judge', () => {
  const request = { method: 'GET', path: '/', headers: {} };
  const answer = (status: number, text: string) => ({ status, headers: { 'x-openstack-request-id': 'req-1', 'content-type': 'application/json' }, text });
  it('sees what is wrong', () => {
    expect(faultOf('network', request, answer(500, '{}'))).toContain('500');
    expect(faultOf('network', request, answer(400, '{"message": "no"}'))).toContain('envelope');
    expect(faultOf('network', request, answer(400, '{"NeutronError": {"type": "x", "message": "Error\\n    at run (/a/b.js:1:2)", "detail": ""}}'.replace('\\n', '\n')))).toContain('inside');
    expect(faultOf('network', request, answer(404, '{"NeutronError": {"type": "x", "message": "y", "detail": ""}}'))).toBeUndefined();
    expect(faultOf('network', request, { ...answer(200, '{}'), headers: {} })).toContain('Request-Id');
  });
});
