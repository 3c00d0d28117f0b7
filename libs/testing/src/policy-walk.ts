/** One request of the walk: a route, or one action of a route with many. */
export interface WalkedRoute {
  method: string;
  /** With `:name` for parameters. */
  path: string;
  /** Key of the body, for routes whose rule depends on it. */
  action?: string;
}

export interface PolicyWalk {
  routes: readonly WalkedRoute[];
  /** Tokens by persona; null is no token. The first one must be let through wherever anybody is. */
  personas: Readonly<Record<string, string | null>>;
  /** API versions in which a route may be served, tried in this order; [''] for services without. */
  versions: readonly string[];
  /** Bodies by `METHOD path` or `METHOD path#action` where the input is judged before the policy: these must be right. */
  bodies?: Readonly<Record<string, unknown>>;
  /**
   * What stands for parameters, by `<segment before>/:<name>` or by the segment before alone. Asked again before each
   * request that may delete something, with its route.
   */
  fixtures(route?: WalkedRoute): Promise<Readonly<Record<string, string>>>;
  send(method: string, path: string, token: string | null, version: string, body: unknown): Promise<number>;
}

/** Stands for what has no fixture. */
const NOTHING = '00000000-0000-0000-0000-000000000000';
/** A body that no schema takes, so that who is let through is told that it is bad, and nothing happens. */
const BAD_BODY = { 'not-a-property': 0 };

function filled(path: string, values: Readonly<Record<string, string>>): string {
  const segments = path.split('/');
  return segments.map((segment, index) => {
    if (!segment.startsWith(':')) return segment;
    const before = segments[index - 1]!;
    return encodeURIComponent(values[`${before}/${segment}`] ?? values[before] ?? NOTHING);
  }).join('/');
}

/** `401`, `403` or `404`: closed, forbidden, hidden; anything else means that the policy let the request pass. */
const outcome = (status: number): string => ([401, 403, 404].includes(status) ? String(status) : 'pass');

/**
 * Sends every route's request as every persona and tells who is let through, one line a route: method, path and one
 * column a persona, under a header line. What it returns is compared with the service's table.
 */
export async function walkPolicies({ routes, personas, versions, bodies = {}, fixtures, send }: PolicyWalk): Promise<string[]> {
  const everybody = Object.keys(personas);
  let values = await fixtures();
  const lines: string[] = [];
  for (const route of routes) {
    const { method, path, action } = route;
    const deletes = method === 'DELETE' || action !== undefined;
    const name = action === undefined ? path : `${path}#${action}`;
    const body = ['POST', 'PUT', 'PATCH'].includes(method) ? bodies[`${method} ${name}`] ?? (action === undefined ? BAD_BODY : { [action]: 0 }) : undefined;
    const ask = async (persona: string, version: string): Promise<string> => {
      if (deletes) values = await fixtures(route);
      return outcome(await send(method, filled(path, values), personas[persona] ?? null, version, body));
    };
    let version = versions[0]!;
    for (const candidate of versions) if ((await ask(everybody[0]!, candidate)) !== '404') { version = candidate; break; }
    const columns: string[] = [];
    for (const persona of everybody) columns.push(await ask(persona, version));
    lines.push([method, name, ...columns].join('\t'));
  }
  return [['method', 'path', ...everybody].join('\t'), ...lines.sort()];
}
