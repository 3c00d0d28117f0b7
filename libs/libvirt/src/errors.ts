/**
 * Every way in which talking to libvirt can fail, as four classes:
 * the daemon said no ({@link LibvirtError}), the connection was lost ({@link LibvirtConnectionError}), the answer did
 * not come in time ({@link LibvirtTimeoutError}), one side spoke nonsense ({@link LibvirtProtocolError}).
 */

/** Fields of libvirt's error structure, as they come over the wire. */
export interface LibvirtErrorFields {
  /** Numeric code, see `ErrorCode`. The only field to decide on. */
  code: number;
  /** The part of libvirt that raised it (`ErrorDomain`). */
  domain: number;
  /** Human text, in the daemon's locale. May name paths of the host: not for end users. */
  message: string;
  /** 1 warning, 2 error. */
  level: number;
  str1: string | null;
  str2: string | null;
  str3: string | null;
  int1: number;
  int2: number;
}

/** The daemon executed the call and refused it or failed. */
export class LibvirtError extends Error implements LibvirtErrorFields {
  readonly code: number;
  readonly domain: number;
  readonly level: number;
  readonly str1: string | null;
  readonly str2: string | null;
  readonly str3: string | null;
  readonly int1: number;
  readonly int2: number;

  /** @param procedure name of the call in the definition table, e.g. `domainCreateWithFlags`. */
  constructor(fields: Partial<LibvirtErrorFields> & { code: number }, readonly procedure: string) {
    super(fields.message || `libvirt error ${fields.code}`);
    this.name = 'LibvirtError';
    this.code = fields.code;
    this.domain = fields.domain ?? 0;
    this.level = fields.level ?? 2;
    this.str1 = fields.str1 ?? null;
    this.str2 = fields.str2 ?? null;
    this.str3 = fields.str3 ?? null;
    this.int1 = fields.int1 ?? 0;
    this.int2 = fields.int2 ?? 0;
  }
}

/**
 * The connection is gone. With `sent: false` the daemon never saw the call and it can be repeated; with `sent: true` it
 * may or may not have been executed, so only reads may be repeated blindly.
 */
export class LibvirtConnectionError extends Error {
  constructor(message: string, readonly sent: boolean, readonly procedure?: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'LibvirtConnectionError';
  }
}

/**
 * No answer within the call's time. The protocol cannot cancel: with `sent: true` the daemon may still be working on
 * it, and the owner must read the domain's state again before deciding anything.
 */
export class LibvirtTimeoutError extends Error {
  constructor(readonly procedure: string, readonly timeoutMs: number, readonly sent: boolean) {
    super(`${procedure} was not ${sent ? 'answered' : 'sent'} within ${timeoutMs} ms`);
    this.name = 'LibvirtTimeoutError';
  }
}

/** Bytes that are not this protocol, or a value that does not fit its field. */
export class LibvirtProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'LibvirtProtocolError';
  }
}

/** True when `error` is the daemon's answer and carries one of the given codes. */
export function isLibvirtError(error: unknown, ...codes: number[]): error is LibvirtError {
  return error instanceof LibvirtError && (codes.length === 0 || codes.includes(error.code));
}
