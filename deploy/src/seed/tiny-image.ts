import { readFileSync } from 'node:fs';
import type { RestClient } from './rest-client';

interface Image { id: string; status: string }

/** The tiny guest as a public image, under the name that `up` prints. */
export async function seedImage(client: RestClient, name: string, file: string): Promise<string> {
  const { images } = await client.request<{ images: Image[] }>('GET', 'image', `/v2/images?name=${encodeURIComponent(name)}&visibility=public`);
  if (images.some((image) => image.status === 'active')) return 'there';
  // An interrupted run leaves an image without data.
  const queued = images.find((image) => image.status === 'queued');
  const image = queued ?? (await client.request<Image>('POST', 'image', '/v2/images', {
    body: { name, visibility: 'public', disk_format: 'qcow2', container_format: 'bare', min_ram: 96, min_disk: 1 },
  }));
  await client.request('PUT', 'image', `/v2/images/${image.id}/file`, { raw: readFileSync(file) });
  const stored = await client.request<Image>('GET', 'image', `/v2/images/${image.id}`);
  if (stored.status !== 'active') throw new Error(`the image ${name} is ${stored.status} after its upload`);
  return 'uploaded';
}
