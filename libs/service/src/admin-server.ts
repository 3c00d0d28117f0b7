import { createServer, type Server } from 'node:http';
import { rmSync, chmodSync } from 'node:fs';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { Logger } from '@virga/core';

export type ReadinessCheck = () => Promise<boolean> | boolean;

/** host:port or unix:/path as Node's `listen` takes it. */
export function listenTarget(listen: string): { path: string } | { host: string; port: number } {
  if (listen.startsWith('unix:')) return { path: listen.slice('unix:'.length) };
  const at = listen.lastIndexOf(':');
  return { host: listen.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(listen.slice(at + 1)) };
}

/**
 * Health and metrics of one process, apart from its public API: GET /healthz (the event loop turns), /readyz (every
 * check holds; 503 names those that do not), /metrics (Prometheus text).
 */
export class AdminServer {
  readonly metrics = new Registry();
  private readonly checks = new Map<string, ReadinessCheck>();
  private server: Server | undefined;
  private draining = false;

  constructor(private readonly logger: Logger) {
    collectDefaultMetrics({ register: this.metrics });
  }

  addCheck(name: string, check: ReadinessCheck): void {
    this.checks.set(name, check);
  }

  drain(): void {
    this.draining = true;
  }

  async listen(listen: string): Promise<void> {
    const target = listenTarget(listen);
    if ('path' in target) rmSync(target.path, { force: true });
    this.server = createServer((request, response) => {
      this.answer(request.url ?? '/').then(
        ({ status, body, type }) => response.writeHead(status, { 'content-type': type }).end(body),
        (error: unknown) => { this.logger.error({ err: error }, 'admin request failed'); response.writeHead(500).end(); },
      );
    });
    await new Promise<void>((resolve, reject) => this.server!.once('error', reject).listen(target, resolve));
    if ('path' in target) chmodSync(target.path, 0o600);
  }

  async close(): Promise<void> {
    this.server?.closeAllConnections();
    await new Promise<void>((resolve) => (this.server ? this.server.close(() => resolve()) : resolve()));
  }

  private async answer(url: string): Promise<{ status: number; body: string; type: string }> {
    const json = (status: number, body: unknown) => ({ status, body: JSON.stringify(body), type: 'application/json' });
    if (url === '/healthz') return json(200, { live: true });
    if (url === '/metrics') return { status: 200, body: await this.metrics.metrics(), type: this.metrics.contentType };
    if (url !== '/readyz') return json(404, { error: 'not found' });
    const results = await Promise.all([...this.checks].map(async ([name, check]) => {
      try { return [name, await check()] as const; } catch { return [name, false] as const; }
    }));
    const ready = !this.draining && results.every(([, ok]) => ok);
    return json(ready ? 200 : 503, { ready, draining: this.draining, checks: Object.fromEntries(results) });
  }
}
