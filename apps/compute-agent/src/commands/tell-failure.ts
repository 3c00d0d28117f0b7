import { errorMessage, isRetryable } from '@virga/core';

const FULL = /ENOSPC|EDQUOT|No space left on device|Disk quota exceeded/;
/** Directories of this host: users are told what failed, not where things lie. */
const DIRECTORIES = /(?:\/[\w.@+-]+)+\/(?=[\w.@+-])/g;
const MOST = 2000;

/** What the control plane, and with it the user, is told of a command that has failed. */
export function tellFailure(error: unknown): { message: string; retryable: boolean } {
  const message = errorMessage(error);
  return { message: FULL.test(message) ? 'No space is left on the disk of the host.' : message.replace(DIRECTORIES, '').slice(0, MOST), retryable: isRetryable(error) };
}
