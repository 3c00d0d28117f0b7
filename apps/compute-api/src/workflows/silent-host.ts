import type { HostVerb, HostVerbArgs } from '@virga/contracts';
import { CloudError } from '@virga/core';
import type { StepContext } from '../operations/workflow';

/** The host did not answer a command before the step's deadline. */
export const isExpired = (error: unknown): boolean => error instanceof CloudError && error.type === 'CommandExpired';

/**
 * Sends a command for which nothing else need wait: of a host that does not answer it stays in the queue, and is carried out when the host
 * comes back. `told` is logged then.
 */
export async function commandNowOrLater<V extends HostVerb>(context: StepContext, hostId: string, verb: V, args: HostVerbArgs<V>, told: string): Promise<void> {
  try {
    await context.command(hostId, verb, args);
  } catch (error) {
    if (!isExpired(error)) throw error;
    context.logger.warn({ hostId }, told);
  }
}
