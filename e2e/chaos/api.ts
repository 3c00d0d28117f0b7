import { setTimeout as sleep } from 'node:timers/promises';

export interface Answer {
  status: number;
  body: any;
  requestId: string | undefined;
}

export interface Account {
  identityUrl: string;
  username: string;
  password: string;
  project: string;
}

const TIMEOUT_MS = 30_000;

/**
 * A client of the public APIs that bears what it is here for: services that are away. Whether a request that got no answer
 * was accepted is not known, and `request` says so by undefined.
 */
export class Api {
  private token = '';
  private login: Promise<void> | undefined;

  constructor(private readonly account: Account, private readonly urls: Record<'compute' | 'network' | 'image', string>) {}

  /** Undefined when there was no answer. A token that is refused is renewed. */
  async request(service: keyof Api['urls'], method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        if (!this.token) await (this.login ??= this.logIn().finally(() => { this.login = undefined; }));
        const raw = body instanceof Uint8Array;
        const response = await fetch(this.urls[service] + path, {
          method, signal: AbortSignal.timeout(TIMEOUT_MS),
          headers: {
            'x-auth-token': this.token, 'openstack-api-version': 'compute 2.90', connection: 'close',
            ...(body !== undefined && { 'content-type': raw ? 'application/octet-stream' : 'application/json' }), ...headers,
          },
          ...(body !== undefined && { body: raw ? (body as unknown as string) : JSON.stringify(body) }),
        });
        const text = await response.text();
        if (response.status === 401 && attempt < 3) { this.token = ''; continue; }
        return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text, requestId: response.headers.get('x-openstack-request-id') ?? undefined };
      } catch {
        return undefined;
      }
    }
  }

  /** Asks until the answer is one of a service at work (below 500). For reading and for what may be repeated. */
  async insist(service: keyof Api['urls'], method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer> {
    for (;;) {
      const answer = await this.request(service, method, path, body, headers);
      if (answer && answer.status < 500 && answer.status !== 401) return answer;
      await sleep(500);
    }
  }

  private async logIn(): Promise<void> {
    const { identityUrl, username, password, project } = this.account;
    const domain = { name: 'Default' };
    const response = await fetch(`${identityUrl}/v3/auth/tokens`, {
      method: 'POST', headers: { 'content-type': 'application/json', connection: 'close' }, signal: AbortSignal.timeout(TIMEOUT_MS),
      body: JSON.stringify({ auth: { identity: { methods: ['password'], password: { user: { name: username, domain, password } } }, scope: { project: { name: project, domain } } } }),
    });
    if (response.status !== 201) throw new Error(`no token: ${response.status}`);
    this.token = response.headers.get('x-subject-token') ?? '';
  }
}
