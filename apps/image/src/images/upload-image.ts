import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { badRequest, newUuid, type Logger } from '@virga/core';
import { ImageRefused, inspectImage } from '@virga/domain';
import type { FileStore, StoredUpload } from '../store/file-store';
import type { ImageConfig } from '../config';
import type { ImageRepository, ImageRow } from './image.repository';

const LEASE_SECONDS = 60;
const RENEW_EVERY_MS = 15_000;

/**
 * Takes the data of a queued image: streamed to disk, hashed, inspected, and only then active. Whatever goes wrong
 * (broken connection, refused content, deleted meanwhile) leaves a queued or no image and no data.
 * `maxBytes`: a bound below that of the service. `contentDigest`: RFC 9530 `Content-Digest`, checked when the client gives it.
 */
export async function uploadImage(
  deps: { images: ImageRepository; store: FileStore; config: ImageConfig; logger: Logger; maxBytes?: number },
  image: ImageRow, data: Readable, expected: { length?: number; contentDigest?: string },
): Promise<StoredUpload> {
  const { images, store, config, logger } = deps;
  if (image.disk_format === null || image.container_format === null) throw badRequest('Properties disk_format, container_format must be set prior to saving data.');
  const token = newUuid();
  await images.beginUpload(image, token, LEASE_SECONDS);
  const renewal = setInterval(() => {
    images.renewUpload(image.id, token, LEASE_SECONDS).then(
      (alive) => { if (!alive) data.destroy(new Error('the image was deleted during its upload')); },
      (error: unknown) => logger.warn({ err: error, imageId: image.id }, 'upload lease not renewed'),
    );
  }, RENEW_EVERY_MS);
  try {
    const stored = await store.receive(image.id, token, data, Math.min(deps.maxBytes ?? Infinity, config.VIRGA_IMAGE_SIZE_CAP));
    if (expected.length !== undefined && stored.size !== expected.length) throw badRequest(`The body ended after ${stored.size} of ${expected.length} bytes.`);
    if (expected.contentDigest !== undefined) await checkDigest(deps, image.id, token, expected.contentDigest, stored.sha512);
    const { virtualSizeBytes } = await store.inspectPart(image.id, token, (source) =>
      inspectImage(source, image.disk_format!, { maxVirtualBytes: config.VIRGA_IMAGE_VIRTUAL_SIZE_CAP, admitPlain: true }));
    await images.finishUpload(image.id, token, { ...stored, virtualSize: virtualSizeBytes }, () => store.commit(image.id, token));
    return stored;
  } catch (error) {
    await images.abandonUpload(image.id, token).catch((failure: unknown) => logger.warn({ err: failure, imageId: image.id }, 'upload not abandoned; its lease will end'));
    await store.discardPart(image.id, token);
    throw error instanceof ImageRefused ? badRequest(`Image content refused: ${error.message}`) : error;
  } finally {
    clearInterval(renewal);
  }
}

async function checkDigest(deps: { store: FileStore }, imageId: string, token: string, header: string, sha512: string): Promise<void> {
  const digests = [...header.matchAll(/([a-z0-9-]+)=:([A-Za-z0-9+/=]+):/g)].map((match) => ({ algorithm: match[1]!, value: Buffer.from(match[2]!, 'base64').toString('hex') }));
  if (digests.length === 0) throw badRequest('The Content-Digest header is malformed.');
  for (const { algorithm, value } of digests) {
    const own = algorithm === 'sha-512' ? sha512 : algorithm === 'sha-256' ? await deps.store.inspectPart(imageId, token, async (source) => {
      const hash = createHash('sha256');
      for (let at = 0; at < source.size; at += 1 << 20) hash.update(await source.read(at, 1 << 20));
      return hash.digest('hex');
    }) : undefined;
    if (own !== undefined && own !== value) throw badRequest(`The checksum of the data (${algorithm}) is not the one in Content-Digest.`);
  }
}
