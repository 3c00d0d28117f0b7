/**
 * The errors of the cloud. Each has a kind; the REST edge turns it into the envelope of its service and the bus
 * carries it by kind, so that a refusal by `network` reaches the user of `compute` as what it was.
 */
export const ERROR_STATUS = {
  badRequest: 400,
  unauthorized: 401,
  forbidden: 403,
  overQuota: 403,
  notFound: 404,
  routeNotFound: 404,
  methodNotAllowed: 405,
  notAcceptable: 406,
  timeout: 504,
  conflict: 409,
  preconditionFailed: 412,
  gone: 410,
  tooLarge: 413,
  unsupportedMediaType: 415,
  tooManyRequests: 429,
  internal: 500,
  notImplemented: 501,
  unavailable: 503,
} as const;

export type ErrorKind = keyof typeof ERROR_STATUS;

export interface CloudErrorOptions {
  /** Name of the error in the service's own words, e.g. neutron's `IpAddressInUse`; clients match on it. */
  type?: string;
  /** HTTP status when it differs from the kind's usual one (a quota refusal is 403 in compute and 409 in network). */
  status?: number;
  /** True when the same request may succeed later without a change. */
  retryable?: boolean;
  /** Extra response headers, e.g. Retry-After. */
  headers?: Record<string, string>;
  /** Machine-readable facts that travel with the error (e.g. which filter removed how many hosts). */
  details?: unknown;
  cause?: unknown;
}

export class CloudError extends Error {
  readonly type: string | undefined;
  readonly status: number;
  readonly retryable: boolean;
  readonly headers: Record<string, string>;
  readonly details: unknown;

  constructor(readonly kind: ErrorKind, message: string, options: CloudErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'CloudError';
    this.type = options.type;
    this.status = options.status ?? ERROR_STATUS[kind];
    this.retryable = options.retryable ?? (kind === 'unavailable' || kind === 'timeout');
    this.headers = options.headers ?? {};
    this.details = options.details;
  }
}

const factory = (kind: ErrorKind) => (message: string, options?: CloudErrorOptions) => new CloudError(kind, message, options);
export const badRequest = factory('badRequest');
export const unauthorized = factory('unauthorized');
export const forbidden = factory('forbidden');
export const overQuota = factory('overQuota');
export const notFound = factory('notFound');
export const conflict = factory('conflict');
export const notImplemented = factory('notImplemented');
export const unavailable = factory('unavailable');
export const timedOut = factory('timeout');
export const internalError = factory('internal');

/** What of an error may cross the bus: never a stack. */
export interface WireError {
  kind: ErrorKind;
  message: string;
  type?: string | undefined;
  status: number;
  retryable: boolean;
  details?: unknown;
}

/** An unexpected error crosses the bus without its message: internals are logged where they happened. */
export function toWireError(error: unknown): WireError {
  if (error instanceof CloudError) {
    const { kind, message, type, status, retryable, details } = error;
    return { kind, message, type, status, retryable, details };
  }
  return { kind: 'internal', message: 'An unexpected error prevented the server from fulfilling your request.', status: 500, retryable: false };
}

export function fromWireError(wire: WireError): CloudError {
  const { kind, message, ...rest } = wire;
  const known = Object.hasOwn(ERROR_STATUS, kind) ? kind : 'internal';
  return new CloudError(known, String(message), { type: rest.type, status: rest.status, retryable: rest.retryable, details: rest.details });
}

/** A sentence for logs and fault records from anything that was thrown. */
export function errorMessage(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
