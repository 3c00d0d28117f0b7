import { CloudError, errorMessage, systemClock, type Logger } from '@virga/core';

const RETRY_MS = 2000;

/**
 * Asks the control plane, which answers `notFound` for an instance that is not on this host. As long as it does not answer,
 * nobody knows, and this waits. Throws when `signal` is aborted.
 */
export async function isStillHere(ask: () => Promise<unknown>, logger: Logger, signal: AbortSignal): Promise<boolean> {
  for (;;) {
    signal.throwIfAborted();
    try {
      await ask();
      return true;
    } catch (error) {
      if (error instanceof CloudError && error.kind === 'notFound') return false;
      logger.warn({ reason: errorMessage(error) }, 'the control plane does not say yet whether a guest is still on this host');
    }
    await systemClock.sleep(RETRY_MS, signal);
  }
}
