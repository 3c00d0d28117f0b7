import { Type, type Static } from '@sinclair/typebox';
import { call, defineContract } from '@virga/rpc';
import { Actor } from './actor';

/** What compute needs to know of an image. */
export const ImageFacts = Type.Object({
  id: Type.String(),
  name: Type.Union([Type.String(), Type.Null()]),
  status: Type.String(),
  /** qcow2, raw, iso, ami, aki, ari... as declared and verified at upload. */
  diskFormat: Type.String(),
  containerFormat: Type.String(),
  sizeBytes: Type.Integer(),
  virtualSizeBytes: Type.Union([Type.Integer(), Type.Null()]),
  /** Hexadecimal SHA-512 of the data. */
  sha512: Type.String(),
  /** GB. */
  minDisk: Type.Integer(),
  /** MB. */
  minRam: Type.Integer(),
  /** hw_*, os_*, kernel_id, ramdisk_id... */
  properties: Type.Record(Type.String(), Type.String()),
});
export type ImageFacts = Static<typeof ImageFacts>;

/** Served by image. An image that the actor may not see is `notFound`, like one that does not exist. */
export const imageContract = defineContract('image', {
  get: call(Type.Object({ actor: Actor, imageId: Type.String() }), ImageFacts),
  /** Leave to download one image's data once or more until `expiresAt`, for one host's agent: `GET url` with `Authorization: Ticket <ticket>`. */
  issueDownloadTicket: call(
    Type.Object({ imageId: Type.String(), hostId: Type.String() }),
    Type.Object({ url: Type.String(), ticket: Type.String(), expiresAt: Type.Number(), sizeBytes: Type.Integer(), sha512: Type.String(), diskFormat: Type.String() }),
  ),
});
