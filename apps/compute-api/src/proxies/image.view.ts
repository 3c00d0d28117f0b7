/** An image as the image service shows it: its properties stand beside these. */
export interface ImageDocument {
  id: string; name: string | null; status: string; size: number | null; min_disk: number; min_ram: number; created_at: string; updated_at: string; protected: boolean;
  [property: string]: unknown;
}

/** Attributes of every image; whatever else it has is metadata. */
const BASE = new Set([
  'id', 'name', 'status', 'size', 'virtual_size', 'min_disk', 'min_ram', 'created_at', 'updated_at', 'protected', 'visibility', 'owner', 'checksum', 'disk_format', 'container_format', 'tags',
  'self', 'file', 'schema', 'os_hidden', 'os_hash_algo', 'os_hash_value', 'direct_url', 'locations', 'stores',
]);
export const metadataOf = (image: ImageDocument): Record<string, unknown> => Object.fromEntries(Object.entries(image).filter(([key]) => !BASE.has(key)));

/** The image service's statuses in compute's words, with what is told of their progress in percent. */
const STATES: Record<string, readonly [status: string, progress: number]> = {
  queued: ['SAVING', 25], saving: ['SAVING', 50], active: ['ACTIVE', 100], killed: ['ERROR', 0], deleted: ['DELETED', 0], pending_delete: ['DELETED', 0],
};
/** The image service's statuses of a status of compute. */
export const statusesOf = (status: string): string[] => Object.entries(STATES).filter(([, [name]]) => name === status.toUpperCase()).map(([key]) => key);

export interface LinkBase { base: string; version: string }
const links = ({ base, version }: LinkBase, path: string) => [{ rel: 'self', href: `${base}/${version}/${path}` }, { rel: 'bookmark', href: `${base}/${path}` }];

export const imageListed = (image: ImageDocument, at: LinkBase) => ({
  id: image.id, name: image.name,
  links: [...links(at, `images/${image.id}`), { rel: 'alternate', type: 'application/vnd.openstack.image', href: `${at.base}/images/${image.id}` }],
});

export function imageShown(image: ImageDocument, at: LinkBase) {
  const [status, progress] = STATES[image.status] ?? ['UNKNOWN', 0];
  const { instance_uuid: serverId, auto_disk_config: diskConfig } = image;
  return {
    ...imageListed(image, at), minRam: image.min_ram, minDisk: image.min_disk, metadata: metadataOf(image), created: image.created_at, updated: image.updated_at, status, progress,
    'OS-EXT-IMG-SIZE:size': image.size ?? 0,
    ...(typeof serverId === 'string' && { server: { id: serverId, links: links(at, `servers/${serverId}`) } }),
    ...(typeof diskConfig === 'string' && { 'OS-DCF:diskConfig': diskConfig.toLowerCase() === 'true' ? 'AUTO' : 'MANUAL' }),
  };
}
