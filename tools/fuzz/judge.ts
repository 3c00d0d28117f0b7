import type { ReceivedAnswer, SentRequest } from './http-client';
import { EVIL_HOST } from './requests';

/** What an answer must never show: where the code is, what the database said. */
const INSIDE = /\n\s+at .+:\d+:\d+|node_modules|\.[cm]?[jt]s:\d+|\bER_[A-Z_]{4,}|SQL syntax|sqlMessage|Unknown column|ECONNREFUSED|ENOENT|Cannot read propert|is not a function|undefined is not/;

/** How each service wraps an error; `error` is what the token check answers. */
const ENVELOPES: Record<string, (body: Record<string, unknown>) => boolean> = {
  identity: ({ error }) => isFault(error, 'code', 'message', 'title'),
  'compute-api': (body) => (typeof body.message === 'string' && typeof body.code === 'string') || Object.values(body).some((fault) => isFault(fault, 'code', 'message')),
  network: ({ NeutronError: fault, error }) => isFault(fault, 'type', 'message') || isFault(error, 'code', 'message'),
  image: (body) => typeof body.message === 'string' && typeof body.code === 'string',
  scheduler: ({ errors, error }) => Array.isArray(errors) || isFault(error, 'code', 'message'),
};
const isFault = (fault: unknown, ...keys: string[]): boolean => typeof fault === 'object' && fault !== null && keys.every((key) => key in fault);

/** Errors that the HTTP server gives before the service hears of the request (over-long headers, an Expect that it does not know). */
const BEFORE_THE_SERVICE = new Set([408, 417, 431]);

/** What is wrong with an answer, in a sentence; undefined when it is as it must be. */
export function faultOf(app: string, request: SentRequest, answer: ReceivedAnswer): string | undefined {
  const { status, headers, text } = answer;
  if (status >= 500) return `status ${status}: ${text.slice(0, 300)}`;
  if (INSIDE.test(text)) return `the answer shows the inside: ${text.slice(0, 300)}`;
  if (request.headers.host?.startsWith(EVIL_HOST) && text.includes(`${EVIL_HOST}"`) && text.includes('<x')) return 'the Host header went into the answer as it was';
  if (BEFORE_THE_SERVICE.has(status)) return undefined;
  if (!headers['x-openstack-request-id'] && status !== 400) return `no X-Openstack-Request-Id (status ${status})`;
  if (status < 400 || request.method === 'HEAD' || text === '') return undefined;
  const type = String(headers['content-type'] ?? '');
  if (type.startsWith('text/html')) return app === 'identity' && status === 404 ? undefined : `an error as HTML (status ${status})`;
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    return ENVELOPES[app]!(body) ? undefined : `not the envelope of ${app}: ${text.slice(0, 300)}`;
  } catch {
    return `an error that is no JSON (status ${status}): ${text.slice(0, 200)}`;
  }
}
