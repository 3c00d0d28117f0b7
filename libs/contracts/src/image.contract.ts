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
  /**
   * Registers the image of a snapshot (status queued, private, owned by `ownerId`), whose data a host then brings by `issueUploadTicket`.
   * The caller chooses `imageId`: repeated for the same owner it answers the image as it is; `conflict` when another owner has the id.
   * `forbidden` when the actor may not create images in that project.
   */
  createForSnapshot: call(
    Type.Object({
      actor: Actor, imageId: Type.String(), ownerId: Type.String(), name: Type.String(),
      diskFormat: Type.String(), containerFormat: Type.String(),
      /** GB. */
      minDisk: Type.Integer(),
      /** MB. */
      minRam: Type.Integer(),
      properties: Type.Record(Type.String(), Type.String()),
    }),
    ImageFacts,
  ),
  /**
   * Leave for one host's agent to bring the data of a queued image, once, begun before `expiresAt`:
   * `PUT url` with `Authorization: Ticket <ticket>`; the answer is 200 with `{ sizeBytes, sha512 }` of what is stored, 409 when the
   * image has another status or is gone, 413 above `maxBytes`, 400 for data that is not of the image's disk format. After a failed PUT
   * the image is queued again and a new ticket may be asked for. `stored`: the data is already there, nothing is to be sent.
   */
  issueUploadTicket: call(
    Type.Object({ imageId: Type.String(), hostId: Type.String(), maxBytes: Type.Integer({ minimum: 1 }) }),
    Type.Object({ url: Type.String(), ticket: Type.String(), expiresAt: Type.Number(), maxBytes: Type.Integer(), stored: Type.Boolean() }),
  ),
  /** Removes the oldest backups of an instance (properties image_type `backup`, instance_uuid, backup_type), all but the newest `keep`. */
  dropOldBackups: call(
    Type.Object({ ownerId: Type.String(), instanceId: Type.String(), backupType: Type.String(), keep: Type.Integer({ minimum: 0 }) }),
    Type.Object({ removed: Type.Array(Type.String()) }),
  ),
  /** Removes the image of a snapshot that failed, with what came of its data. One that is active or gone stays as it is. */
  discardSnapshot: call(Type.Object({ imageId: Type.String() }), Type.Object({ removed: Type.Boolean() })),
});
