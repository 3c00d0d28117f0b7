import type { ImageRow } from './image.repository';

/** Times as glance writes them: seconds, Z. */
export const isoSeconds = (time: Date): string => `${time.toISOString().slice(0, 19)}Z`;

/** An image as the v2 API shows it: its properties beside the base attributes. */
export function imageView(image: ImageRow): Record<string, unknown> {
  return {
    ...image.properties,
    name: image.name,
    disk_format: image.disk_format,
    container_format: image.container_format,
    visibility: image.visibility,
    size: image.size,
    virtual_size: image.virtual_size,
    status: image.status,
    checksum: image.checksum,
    protected: image.protected === 1,
    min_ram: image.min_ram,
    min_disk: image.min_disk,
    owner: image.owner,
    os_hidden: image.os_hidden === 1,
    os_hash_algo: image.os_hash_value === null ? null : 'sha512',
    os_hash_value: image.os_hash_value,
    id: image.id,
    created_at: isoSeconds(image.created_at),
    updated_at: isoSeconds(image.updated_at),
    tags: image.tags,
    self: `/v2/images/${image.id}`,
    file: `/v2/images/${image.id}/file`,
    schema: '/v2/schemas/image',
  };
}
