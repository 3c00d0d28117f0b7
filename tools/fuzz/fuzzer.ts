import { faultOf } from './judge';
import { sendRaw, type ReceivedAnswer, type SentRequest } from './http-client';
import { Random } from './random';
import { makeRequest, type FuzzRoute, type Seen } from './requests';

export interface FuzzOptions {
  routes: readonly FuzzRoute[];
  /** Base URL by app, e.g. `http://127.0.0.1:9696`. */
  bases: Readonly<Record<string, string>>;
  /** Tokens of which each request carries one. */
  tokens: readonly string[];
  requests: number;
  seed: number;
  /** Calls that would end the run itself, e.g. the revocation of its token. */
  avoid?(request: SentRequest): boolean;
}

export interface FuzzFailure { seed: number; number: number; app: string; request: string; fault: string }
export interface FuzzResult { requests: number; statuses: Record<string, number>; failures: FuzzFailure[] }

const ID = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/;
const KEPT = 200;
/** How many failures are reported; more would only repeat them. */
const ENOUGH = 20;

function idsIn(value: unknown, found: string[] = []): string[] {
  if (typeof value === 'string' && ID.test(value)) found.push(value);
  else if (typeof value === 'object' && value !== null) for (const item of Object.values(value)) if (found.length < 50) idsIn(item, found);
  return found;
}

/** Only the id of what was made: what it refers to may be another's. */
const madeId = (body: unknown): string[] => Object.values((body ?? {}) as Record<string, unknown>).concat(body)
  .flatMap((item) => (typeof item === 'object' && item !== null && typeof (item as { id?: unknown }).id === 'string' ? [(item as { id: string }).id] : []));

function learn(seen: Seen, request: SentRequest, { status, text }: ReceivedAnswer): void {
  if (status >= 300 || text.length > 1_000_000) return;
  let body: unknown;
  try { body = JSON.parse(text); } catch { return; }
  const made = request.method === 'POST' ? madeId(body).filter((id) => ID.test(id)) : [];
  seen.made.push(...made);
  seen.shown.push(...made, ...idsIn(body).slice(0, 10));
  for (const pool of [seen.made, seen.shown]) pool.splice(0, Math.max(0, pool.length - KEPT));
}

/** The request as a text by which it can be sent again; without the token. */
function describe({ method, path, headers, body }: SentRequest): string {
  const shown = Object.entries(headers).filter(([name]) => name !== 'x-auth-token').map(([name, value]) => `${name}: ${value.slice(0, 100)}`).join('; ');
  return `${method} ${path.slice(0, 1000)} {${shown}} ${body ? JSON.stringify(body.toString('latin1').slice(0, 1500)) : ''}`;
}

/** Sends requests one after the other, so that a seed repeats the whole run, and looks at every answer. */
export async function fuzz({ routes, bases, tokens, requests, seed, avoid }: FuzzOptions): Promise<FuzzResult> {
  const random = new Random(seed);
  const seen: Seen = { shown: [], made: [] };
  const result: FuzzResult = { requests: 0, statuses: {}, failures: [] };
  for (let number = 1; number <= requests && result.failures.length < ENOUGH; number++) {
    const route = random.pick(routes);
    const request = makeRequest(route, random, seen, random.pick(tokens));
    if (avoid?.(request)) continue;
    result.requests += 1;
    let fault: string | undefined;
    try {
      const answer = await sendRaw(bases[route.app]!, request);
      result.statuses[`${route.app} ${answer.status}`] = (result.statuses[`${route.app} ${answer.status}`] ?? 0) + 1;
      learn(seen, request, answer);
      fault = faultOf(route.app, request, answer);
    } catch (error) {
      fault = `no answer: ${(error as Error).message}`;
    }
    if (fault !== undefined) result.failures.push({ seed, number, app: route.app, request: describe(request), fault });
  }
  return result;
}
