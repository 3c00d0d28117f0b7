import { Histogram, type Registry } from 'prom-client';

/** Counts and times of answers by route, for /metrics. */
export function answerMetrics(registry: Registry): (answer: { method: string; route: string; status: number; seconds: number }) => void {
  const seconds = new Histogram({
    name: 'virga_http_answer_seconds', help: 'Time from request to answer.', labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10], registers: [registry],
  });
  return ({ method, route, status, seconds: took }) => seconds.observe({ method, route, status: String(status) }, took);
}
