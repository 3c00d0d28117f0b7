import { backoffMs, CloudError, errorMessage, systemClock, type Logger } from '@virga/core';
import { ConnectionLostError, NotConnectedError } from '@virga/ovsdb';

/** What is over once the hypervisor, the switch or the control plane is back. */
const isPassing = (error: unknown): boolean =>
  error instanceof CloudError ? error.kind === 'unavailable' : error instanceof NotConnectedError || error instanceof ConnectionLostError;

const PATIENCE_MS = 45_000;

export interface Patience {
  /** How long parts of the host that are away are waited for, ms; 45 s where nothing is said. */
  patienceMs?: number | undefined;
  signal: AbortSignal;
  logger: Logger;
  /** What is being done, for the log. */
  what: string;
}

/** Does `work` again while a part of the host that it needs is only away; `work` must bear being begun again. Throws its last error when patience is over. */
export async function outlastAbsence<T>(work: () => Promise<T>, { patienceMs = PATIENCE_MS, signal, logger, what }: Patience): Promise<T> {
  const end = Date.now() + patienceMs;
  for (let attempt = 1; ; attempt++) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || signal.aborted || Date.now() >= end) throw error;
      logger.info({ verb: what, reason: errorMessage(error), attempt }, 'a part of the host is away; trying again');
      await systemClock.sleep(backoffMs({ attempts: 0, baseMs: 250, maxMs: 2000 }, attempt), signal).catch(() => undefined);
    }
  }
}
