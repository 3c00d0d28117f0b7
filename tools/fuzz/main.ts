import { fuzz } from './fuzzer';
import { fuzzRoutes } from './routes';
import type { SentRequest } from './http-client';

interface Cloud { bases: Record<string, string>; token: string }
const SERVICES: Record<string, string> = { identity: 'identity', 'compute-api': 'compute', network: 'network', image: 'image' };

/** Logs in with the usual OS_ variables. */
async function logIn(project: string): Promise<Cloud> {
  const { OS_AUTH_URL: url, OS_USERNAME: name, OS_PASSWORD: password } = process.env;
  if (!url || !name || !password) throw new Error('OS_AUTH_URL, OS_USERNAME and OS_PASSWORD must be set: eval "$(./virga openrc)"');
  const domain = { name: 'Default' };
  const answer = await fetch(`${url.replace(/\/$/, '')}/auth/tokens`, {
    method: 'POST', headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name, password, domain } } }, scope: { project: { name: project, domain } } } }),
  });
  if (answer.status !== 201) throw new Error(`log-in: ${answer.status}`);
  const { token } = (await answer.json()) as { token: { catalog: { type: string; endpoints: { interface: string; url: string }[] }[] } };
  const bases = Object.fromEntries(Object.entries(SERVICES).map(([app, type]) => {
    const endpoint = token.catalog.find((service) => service.type === type)?.endpoints.find((one) => one.interface === 'public');
    if (!endpoint) throw new Error(`no ${type} in the catalog`);
    return [app, new URL(endpoint.url).origin];
  }));
  return { bases, token: answer.headers.get('x-subject-token')! };
}

/** Revoking the run's own token, or changing its own user, would only make the rest 401. */
const avoid = ({ method, path }: SentRequest): boolean => (method === 'DELETE' && path.startsWith('/v3/auth/tokens')) || /\/v3\/users\/[^/]+\/password/.test(path);

/** `npm run fuzz -- [--seed N] [--requests N] [--app NAME]` against the cloud of the OS_ variables; exit code 1 when an answer was wrong. */
export async function main(root: string, load: (file: string) => Record<string, unknown>, args: string[]): Promise<number> {
  const option = (name: string): string | undefined => (args.includes(name) ? args[args.indexOf(name) + 1] : undefined);
  const seed = Number(option('--seed') ?? Date.now() % 1_000_000_000);
  const requests = Number(option('--requests') ?? 20_000);
  const app = option('--app');
  const { bases, token } = await logIn(process.env.OS_PROJECT_NAME ?? 'admin');
  const routes = fuzzRoutes(root, load).filter((route) => Object.hasOwn(bases, route.app) && (app === undefined || route.app === app));
  console.log(`${routes.length} routes, ${requests} requests, seed ${seed}`);
  const began = Date.now();
  const result = await fuzz({ routes, bases, tokens: [token], requests, seed, avoid });
  for (const failure of result.failures) console.log(`FAIL seed ${failure.seed} request ${failure.number} ${failure.app}\n  ${failure.request}\n  ${failure.fault}`);
  console.log(Object.entries(result.statuses).sort().map(([status, count]) => `${status}: ${count}`).join('\n'));
  console.log(`${result.requests} requests in ${Math.round((Date.now() - began) / 1000)} s, ${result.failures.length} wrong answers, seed ${seed}`);
  return result.failures.length > 0 ? 1 : 0;
}
