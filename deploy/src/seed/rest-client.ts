import { setTimeout as sleep } from 'node:timers/promises';
import { ACCOUNTS } from '../credentials';
import type { SecretStore } from '../secrets';
import type { Site } from '../site';

export interface Login {
  authUrl: string;
  username: string;
  password: string;
  project: string;
}

/** An answer that was not 2xx. */
export class RestFailure extends Error {
  constructor(readonly status: number, what: string, body: string) {
    super(`${what} was answered ${status}: ${body.slice(0, 300)}`);
  }
}

interface CatalogEntry { type: string; endpoints: { interface: string; url: string }[] }
interface RequestOptions { body?: unknown; raw?: Uint8Array; headers?: Record<string, string> }

/** The cloud's public API as an ordinary user of it sees it: a token, and endpoints from the catalog. */
export class RestClient {
  private constructor(private readonly token: string, private readonly catalog: CatalogEntry[]) {}

  static async login({ authUrl, username, password, project }: Login): Promise<RestClient> {
    const domain = { name: 'Default' };
    const response = await send('POST', `${authUrl}/auth/tokens`, {
      'content-type': 'application/json',
    }, JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { name: username, domain, password } } },
        scope: { project: { name: project, domain } },
      },
    }));
    const { token } = (await response.json()) as { token: { catalog: CatalogEntry[] } };
    return new RestClient(response.headers.get('x-subject-token') ?? '', token.catalog);
  }

  endpoint(type: string): string {
    const url = this.catalog.find((service) => service.type === type)?.endpoints.find((endpoint) => endpoint.interface === 'public')?.url;
    if (!url) throw new Error(`the catalog has no public endpoint of type ${type}`);
    return url.replace(/\/$/, '');
  }

  /** Sends a request to a service; resolves to the parsed body, undefined when there is none. Throws RestFailure. */
  async request<T>(method: string, type: string, path: string, { body, raw, headers }: RequestOptions = {}): Promise<T> {
    const payload = raw ?? (body === undefined ? undefined : JSON.stringify(body));
    const response = await send(method, `${this.endpoint(type)}${path}`, {
      'x-auth-token': this.token,
      accept: 'application/json',
      ...(payload !== undefined && { 'content-type': raw ? 'application/octet-stream' : 'application/json' }),
      ...headers,
    }, payload);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }
}

/** As the cloud's administrator. */
export const adminClient = (site: Site, secrets: SecretStore): Promise<RestClient> => RestClient.login({
  authUrl: `${site.publicUrls.identity}/v3`, username: ACCOUNTS.admin.username, password: secrets.get(ACCOUNTS.admin.secret), project: ACCOUNTS.admin.project,
});

/** Tries again while a service is just starting (no connection, 503), `attempts` times in all. */
async function send(method: string, url: string, headers: Record<string, string>, body?: string | Uint8Array, attempts = 5): Promise<Response> {
  for (let attempt = 1; ; attempt++) {
    const what = `${method} ${url}`;
    try {
      const response = await fetch(url, { method, headers, ...(body !== undefined && { body: body as NonNullable<RequestInit['body']> }), signal: AbortSignal.timeout(60_000) });
      if (response.ok) return response;
      const failure = new RestFailure(response.status, what, await response.text());
      if (response.status !== 503 || attempt >= attempts) throw failure;
    } catch (error) {
      if (error instanceof RestFailure || attempt >= attempts) throw error instanceof RestFailure ? error : new Error(`${what}: ${(error as Error).cause ?? error}`);
    }
    await sleep(300 * attempt);
  }
}
