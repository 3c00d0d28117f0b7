import type { FastifyReply } from 'fastify';
import { CloudError } from '@virga/core';
import type { FileStore } from '../store/file-store';
import type { ImageRow } from './image.repository';

/** Streams the data with its checksum; one byte range (RFC 9110) is honoured. */
export function sendImageData(store: FileStore, image: ImageRow, rangeHeader: string | undefined, reply: FastifyReply): void {
  const size = image.size!;
  const range = rangeHeader === undefined ? undefined : parseRange(rangeHeader, size);
  reply.header('content-type', 'application/octet-stream').header('accept-ranges', 'bytes');
  if (image.checksum) reply.header('content-md5', image.checksum);
  if (range) reply.status(206).header('content-range', `bytes ${range.start}-${range.end}/${size}`);
  reply.header('content-length', String(range ? range.end - range.start + 1 : size));
  reply.send(store.read(image.id, range));
}

function parseRange(header: string, size: number): { start: number; end: number } {
  const match = /^bytes=(\d{1,15})?-(\d{1,15})?$/.exec(header.trim());
  const [from, to] = [match?.[1], match?.[2]].map((part) => (part === undefined ? undefined : Number(part)));
  const start = from ?? (to === undefined ? -1 : Math.max(0, size - to));
  const end = from === undefined ? size - 1 : Math.min(to ?? size - 1, size - 1);
  if (!match || start < 0 || start > end) {
    throw new CloudError('badRequest', 'The requested range is not in the image.', { status: 416, headers: { 'Content-Range': `bytes */${size}` } });
  }
  return { start, end };
}
