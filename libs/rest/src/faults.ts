import { STATUS_CODES } from 'node:http';
import type { CloudError } from '@virga/core';

export interface Fault {
  body: unknown;
  contentType: string;
  headers?: Record<string, string>;
}

/** What was wrong with one value of the input, in the words of JSON Schema validators. */
export interface InputFault {
  /** Path of the value from the body's root, e.g. ['server', 'name']. */
  path: string[];
  value: unknown;
  /** e.g. `5 is not of type 'string'`. */
  reason: string;
}

/** How one service words its errors. Recorded from a real OpenStack, one entry a service. */
export interface FaultStyle {
  render(error: CloudError): Fault;
  /** Sentence for a policy refusal. */
  forbidden(rule: string): string;
  invalidInput(fault: InputFault): string;
  malformedBody: string;
}

/** Python's repr, because the recorded sentences contain values in that form. */
export function pythonRepr(value: unknown, depth = 0): string {
  if (value === null || value === undefined) return 'None';
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (typeof value === 'string') {
    const quote = value.includes("'") && !value.includes('"') ? '"' : "'";
    // eslint-disable-next-line no-control-regex
    const escaped = value.replace(/\\/g, '\\\\').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t').replace(/[\x00-\x1f\x7f]/g, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
    return quote + (quote === "'" ? escaped.replace(/'/g, "\\'") : escaped) + quote;
  }
  if (typeof value !== 'object') return String(value);
  if (depth > 5) return '...';
  if (Array.isArray(value)) return `[${value.map((item) => pythonRepr(item, depth + 1)).join(', ')}]`;
  return `{${Object.entries(value).map(([key, item]) => `${pythonRepr(key)}: ${pythonRepr(item, depth + 1)}`).join(', ')}}`;
}

const bounded = (text: string, limit = 1000) => (text.length > limit ? `${text.slice(0, limit)}...` : text);
const statusTitle = (status: number): string => STATUS_CODES[status] ?? 'Error';
const UNAUTHENTICATED = 'The request you have made requires authentication.';

/** `{message, code: '404 Not Found', title}`: image, and compute for routes that do not exist. */
const webobBody = (status: number, message: string) => ({ message: `${message}<br /><br />\n\n\n`, code: `${status} ${statusTitle(status)}`, title: statusTitle(status) });
/** What the token middleware answers on compute and network. */
const middleware401: Fault = { body: { error: { code: 401, title: 'Unauthorized', message: UNAUTHENTICATED } }, contentType: 'application/json' };

const COMPUTE_FAULT_NAMES: Record<number, string> = {
  400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'itemNotFound', 405: 'badMethod', 409: 'conflictingRequest',
  413: 'overLimit', 415: 'badMediaType', 429: 'overLimit', 501: 'notImplemented', 503: 'serviceUnavailable',
};
const NETWORK_ROUTE_404 = { NeutronError: { type: 'HTTPNotFound', message: 'The resource could not be found.', detail: '' } };
const IDENTITY_ROUTE_404 = '<!doctype html>\n<html lang=en>\n<title>404 Not Found</title>\n<h1>Not Found</h1>\n<p>The requested URL was not found on the server. If you entered the URL manually please check your spelling and try again.</p>\n';
const jsonSentence = ({ path, value, reason }: InputFault) =>
  bounded(`Invalid input for field/attribute ${path.at(-1) ?? 'body'}. Value: ${bounded(pythonRepr(value))}. ${reason}`, 2500);

export const FAULT_STYLES = {
  compute: {
    render(error) {
      if (error.kind === 'unauthorized') return middleware401;
      if (error.kind === 'routeNotFound') return { body: webobBody(404, 'The resource could not be found.'), contentType: 'application/json' };
      const name = COMPUTE_FAULT_NAMES[error.status] ?? 'computeFault';
      const fault: Record<string, unknown> = { code: error.status, message: error.message };
      if (error.headers['Retry-After']) fault.retryAfter = error.headers['Retry-After'];
      return { body: { [name]: fault }, contentType: 'application/json; charset=UTF-8' };
    },
    forbidden: (rule) => `Policy doesn't allow ${rule} to be performed.`,
    invalidInput: jsonSentence,
    malformedBody: 'Malformed request body',
  },
  network: {
    render(error) {
      if (error.kind === 'unauthorized') return middleware401;
      if (error.kind === 'routeNotFound') return { body: NETWORK_ROUTE_404, contentType: 'application/json' };
      const type = error.type ?? (error.status === 400 ? 'HTTPBadRequest' : error.status === 403 ? 'PolicyNotAuthorized' : error.status === 500 ? 'HTTPInternalServerError' : statusTitle(error.status).replaceAll(' ', ''));
      return { body: { NeutronError: { type, message: error.message, detail: '' } }, contentType: 'application/json' };
    },
    forbidden: (rule) => `(rule:${rule}) is disallowed by policy`,
    invalidInput: ({ path, value, reason }) => bounded(`Invalid input for ${path.at(-1) ?? 'body'}. Reason: ${reason.startsWith("'") || reason.includes(pythonRepr(value)) ? reason : `${bounded(pythonRepr(value))}: ${reason}`}.`, 2500),
    malformedBody: 'Body contains invalid data',
  },
  identity: {
    render(error) {
      if (error.kind === 'routeNotFound') return { body: IDENTITY_ROUTE_404, contentType: 'text/html; charset=utf-8' };
      const message = error.kind === 'internal' ? 'An unexpected error prevented the server from fulfilling your request.' : error.message;
      return { body: { error: { code: error.status, message, title: statusTitle(error.status) } }, contentType: 'application/json' };
    },
    forbidden: (rule) => `You are not authorized to perform the requested action: ${rule}.`,
    invalidInput: ({ path, reason }) => bounded(`Invalid input for field '${path.at(-1) ?? 'body'}': ${reason}`, 2500),
    malformedBody: 'Expecting to find valid JSON in request body. The server could not comply with the request since it is either malformed or otherwise incorrect. The client is assumed to be in error.',
  },
  image: {
    render(error) {
      const message = error.kind === 'unauthorized'
        ? 'This server could not verify that you are authorized to access the document you requested. Either you supplied the wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials required.'
        : error.kind === 'routeNotFound' ? 'The resource could not be found.' : error.message;
      return { body: webobBody(error.status, message), contentType: 'application/json' };
    },
    forbidden: () => 'You are not authorized to complete this action.',
    invalidInput: ({ path, value, reason }) => bounded(`Provided object does not match schema 'image': ${reason}\n\nOn instance[${path.map((part) => `'${part}'`).join('][')}]:\n    ${bounded(pythonRepr(value))}`, 2500),
    malformedBody: 'Malformed request body',
  },
} as const satisfies Record<string, FaultStyle>;

export type ServiceName = keyof typeof FAULT_STYLES;
