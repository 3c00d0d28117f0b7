import { CloudError, conflict, errorMessage, internalError, notFound, timedOut, unavailable } from '@virga/core';
import { ErrorCode, LibvirtConnectionError, LibvirtError, LibvirtTimeoutError } from '@virga/libvirt';

/** Codes that say that the daemon or the domain is busy or away, so that a later try may succeed. */
const TRANSIENT = new Set<number>([
  ErrorCode.NO_CONNECT, ErrorCode.INVALID_CONN, ErrorCode.OPERATION_TIMEOUT, ErrorCode.RESOURCE_BUSY, ErrorCode.OPERATION_ABORTED,
  ErrorCode.AGENT_UNRESPONSIVE,
]);
/** `int1` of a system error: errno EBUSY, which a process that does not die gives, and EAGAIN. */
const BUSY = new Set([16, 11]);

/**
 * What a failed verb means to the rest of the cloud. Retryable: the daemon is away, slow or busy. Fatal: it refused the
 * machine. libvirt's own words name files of the host, so they go into `details`, for operators, and not into the message.
 * @param doing e.g. `start instance 1f0c...`
 */
export function toCloudError(error: unknown, doing: string): CloudError {
  if (error instanceof CloudError) return error;
  const details = { reason: errorMessage(error) };
  if (error instanceof LibvirtTimeoutError) return timedOut(`The hypervisor took too long to ${doing}.`, { cause: error, details });
  if (error instanceof LibvirtConnectionError) return unavailable(`The hypervisor is not there to ${doing}.`, { cause: error, details });
  if (!(error instanceof LibvirtError)) return internalError(`An unexpected error prevented the host to ${doing}.`, { cause: error, details });
  const about = { cause: error, details: { ...details, libvirtCode: error.code } };
  if (error.code === ErrorCode.NO_DOMAIN) return notFound(`There is no machine to ${doing}.`, about);
  if (error.code === ErrorCode.OPERATION_INVALID) return conflict(`The machine's state does not allow to ${doing}.`, about);
  const retryable = TRANSIENT.has(error.code) || (error.code === ErrorCode.SYSTEM_ERROR && BUSY.has(error.int1));
  return retryable
    ? unavailable(`The hypervisor is too busy to ${doing}.`, about)
    : internalError(`The hypervisor could not ${doing} (libvirt error ${error.code}).`, about);
}
