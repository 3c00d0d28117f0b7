import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { conflict, errorMessage, internalError, unavailable } from '@virga/core';

export interface UploadTicket { url: string; ticket: string; stored: boolean }

/**
 * Brings a file to the image service as an image's data. Data that is there already, from an earlier try whose answer was
 * lost, is not sent again. Throws `unavailable` for what may succeed later.
 */
export async function uploadImage(path: string, requestTicket: (sizeBytes: number) => Promise<UploadTicket>, signal: AbortSignal): Promise<void> {
  const { size } = await stat(path);
  const { url, ticket, stored } = await requestTicket(size);
  if (stored) return;
  const hash = createHash('sha512');
  const data = createReadStream(path, { highWaterMark: 1 << 20 }).on('data', (chunk) => hash.update(chunk));
  const answer = await fetch(url, {
    method: 'PUT', headers: { authorization: `Ticket ${ticket}`, 'content-length': String(size) }, body: Readable.toWeb(data) as never, duplex: 'half', signal,
  } as RequestInit).catch((error: unknown) => {
    if (signal.aborted) throw signal.reason;
    throw unavailable(`The image service cannot be reached: ${errorMessage(error)}`);
  });
  if (answer.status === 409) throw conflict('The image is gone, or has its data already.');
  if (answer.status >= 500 || answer.status === 401) throw unavailable(`The image service answered ${answer.status}.`);
  if (!answer.ok) throw internalError(`The image service refused the data of the snapshot (${answer.status}).`);
  const { sha512 } = (await answer.json()) as { sha512: string };
  if (sha512 !== hash.digest('hex')) throw internalError('What the image service stored is not what was sent.');
}
