import { createHash } from 'node:crypto';

/** What is kept of a token or a page's secret: a leaked table opens no console. */
export const hashSecret = (secret: string): string => createHash('sha256').update(secret).digest('hex');
