import { unavailable } from '@virga/core';
import { isConnectionLost, isLockConflict } from '@virga/db';
import type { Contract, Handlers } from '@virga/rpc';

/** A database that is away for a moment is no fault of the request: whoever asks is told that it may be repeated. */
export function tellPassingErrors<C extends Contract>(handlers: Handlers<C>): Handlers<C> {
  const untyped = handlers as Handlers<Contract>;
  return Object.fromEntries(Object.entries(untyped).map(([name, handler]): [string, typeof handler] => [name, async (input, meta) => {
    try {
      return await handler(input, meta);
    } catch (error) {
      if (isConnectionLost(error) || isLockConflict(error)) throw unavailable('The database of the control plane is out of reach.', { cause: error });
      throw error;
    }
  }])) as Handlers<C>;
}
