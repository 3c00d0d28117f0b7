import { Histogram, type Registry } from 'prom-client';
import type { HttpEdgeOptions } from '@virga/rest';

/** Times of answers by route and status. */
export function answerMetrics(registry: Registry): NonNullable<HttpEdgeOptions['onAnswer']> {
  const seconds = new Histogram({
    name: 'virga_http_request_seconds', help: 'Time from a request to its answer.', labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10], registers: [registry],
  });
  return ({ method, route, status, seconds: took }) => seconds.observe({ method, route, status: String(status) }, took);
}
