import type { ColumnType, Kysely } from '@virga/db';

export const IMAGE_STATUSES = ['queued', 'saving', 'active', 'deactivated'] as const;
export type ImageStatus = (typeof IMAGE_STATUSES)[number];
export const VISIBILITIES = ['community', 'public', 'private', 'shared'] as const;
export type Visibility = (typeof VISIBILITIES)[number];

/** MariaDB's JSON is text; it is written as text and read as text or as the parsed value. */
type Json<T> = ColumnType<string | T, string, string>;

export interface ImagesTable {
  id: string;
  name: string | null;
  owner: string | null;
  status: ImageStatus;
  visibility: Visibility;
  disk_format: string | null;
  container_format: string | null;
  size: number | null;
  virtual_size: number | null;
  checksum: string | null;
  os_hash_value: string | null;
  min_disk: number;
  min_ram: number;
  protected: number;
  os_hidden: number;
  properties: Json<Record<string, string>>;
  tags: Json<string[]>;
  /** While saving: who uploads (one random word for each upload) and until when, on database time, it is believed to live. */
  upload_token: string | null;
  upload_lease: Date | null;
  created_at: Date;
  updated_at: Date;
}

export interface ImageMembersTable {
  image_id: string;
  member: string;
  status: 'pending' | 'accepted' | 'rejected';
  created_at: Date;
  updated_at: Date;
}

export interface MetadefNamespacesTable {
  namespace: string;
  display_name: string | null;
  description: string | null;
  visibility: string;
  protected: number;
  owner: string;
  created_at: Date;
  updated_at: Date;
}

export interface MetadefItemsTable {
  namespace: string;
  kind: string;
  name: string;
  /** JSON of what the kind has besides its name. */
  body: string;
  created_at: Date;
  updated_at: Date;
}

export interface ImageSchema { images: ImagesTable; image_members: ImageMembersTable; metadef_namespaces: MetadefNamespacesTable; metadef_items: MetadefItemsTable }
export type ImageDb = Kysely<ImageSchema>;
export const DB = Symbol('image.db');
