/**
 * Every error this library raises. `sent` answers the one question that matters for a retry: may the
 * server have acted on the request? `false` means certainly not; `true` means possibly.
 */
export class OvsdbError extends Error {
  constructor(
    message: string,
    readonly sent: boolean,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The peer broke JSON-RPC or RFC 7047; the connection is not usable any more. */
export class ProtocolError extends OvsdbError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, true, options);
  }
}

/** A value, column, table or remote given by the caller is wrong; nothing was sent. */
export class InvalidRequestError extends OvsdbError {
  constructor(message: string, options?: ErrorOptions) {
    super(message, false, options);
  }
}

/** There is no live session at this moment; the caller decides whether to wait and try again. */
export class NotConnectedError extends OvsdbError {
  constructor(message = 'not connected to the database server', options?: ErrorOptions) {
    super(message, false, options);
  }
}

/** The connection ended while the request was under way: the outcome of a write is unknown. */
export class ConnectionLostError extends OvsdbError {}

/** No answer within the given time; the outcome of a write is unknown. */
export class CallTimeoutError extends OvsdbError {}

/** The server answered a call with a JSON-RPC error. */
export class ServerError extends OvsdbError {
  constructor(
    readonly method: string,
    readonly code: string,
    readonly details?: string,
  ) {
    super(`${method}: ${code}${details ? `: ${details}` : ''}`, true);
  }
}

/** The server is a follower, without quorum, or behind what this client has already seen. */
export class UnsuitableServerError extends OvsdbError {
  constructor(message: string) {
    super(message, false);
  }
}

/** One operation of a transaction failed, so none of them took effect. */
export class TransactionError extends OvsdbError {
  constructor(
    readonly code: string,
    readonly details: string,
    /** Position of the failing operation, or `undefined` when the commit as a whole failed. */
    readonly operation?: number,
  ) {
    super(`${code}${details ? `: ${details}` : ''}${operation === undefined ? '' : ` (operation ${operation})`}`, true);
  }
}

/** A uniqueness, range or type constraint of the schema does not hold. */
export class ConstraintViolationError extends TransactionError {}
/** A strong reference would point to a row that does not exist. */
export class ReferentialIntegrityError extends TransactionError {}
/** A `wait` did not come true in time: with compare-and-set, another writer was faster. */
export class WaitTimedOutError extends TransactionError {}
/** `assertLock` failed: this client does not hold the lock. */
export class NotLockOwnerError extends TransactionError {}
/** Role-based access control of the server refused the operation. */
export class PermissionError extends TransactionError {}
/** The server ran out of memory, disk or another resource. */
export class ResourcesExhaustedError extends TransactionError {}

type TransactionErrorClass = new (code: string, details: string, operation?: number) => TransactionError;

const byCode: Record<string, TransactionErrorClass> = {
  'constraint violation': ConstraintViolationError,
  'range error': ConstraintViolationError,
  'domain error': ConstraintViolationError,
  'duplicate uuid-name': ConstraintViolationError,
  'referential integrity violation': ReferentialIntegrityError,
  'timed out': WaitTimedOutError,
  'not owner': NotLockOwnerError,
  'permission error': PermissionError,
  'resources exhausted': ResourcesExhaustedError,
  'I/O error': ResourcesExhaustedError,
};

/** The error class that belongs to an `error` string of a transaction result (RFC 7047, 5.2). */
export function transactionError(code: string, details: string, operation?: number): TransactionError {
  const found = Object.hasOwn(byCode, code) ? byCode[code] : undefined;
  return new (found ?? TransactionError)(code, details, operation);
}
