import { Histogram, type Registry } from 'prom-client';

/** Times of a REST service's answers by route and status, in seconds; what it returns is the HTTP edge's `onAnswer`. */
export function answerMetrics(registry: Registry): (answer: { method: string; route: string; status: number; seconds: number }) => void {
  const seconds = new Histogram({
    name: 'virga_http_request_seconds', help: 'Time from a request to its answer.', labelNames: ['method', 'route', 'status'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10], registers: [registry],
  });
  return ({ method, route, status, seconds: took }) => seconds.observe({ method, route, status: String(status) }, took);
}
