import { Inject, Injectable } from '@nestjs/common';
import { CloudError, conflict, notFound, type RequestContext } from '@virga/core';
import { inTransaction, isDuplicateKey, sql, type Insertable, type Selectable, type Updateable } from '@virga/db';
import { DB, type ImageDb, type ImagesTable } from '../db/tables';

export type ImageRow = Omit<Selectable<ImagesTable>, 'properties' | 'tags'> & { properties: Record<string, string>; tags: string[] };

const parse = <T>(value: string | T): T => (typeof value === 'string' ? (JSON.parse(value) as T) : value);
export const toRow = (raw: Selectable<ImagesTable>): ImageRow => ({
  ...raw,
  size: raw.size === null ? null : Number(raw.size),
  virtual_size: raw.virtual_size === null ? null : Number(raw.virtual_size),
  properties: parse(raw.properties),
  tags: parse(raw.tags),
});

export const imageNotFound = (id: string) => notFound(`No image found with ID ${id}`);

@Injectable()
export class ImageRepository {
  constructor(@Inject(DB) readonly db: ImageDb) {}

  async find(id: string): Promise<ImageRow | undefined> {
    const raw = await this.db.selectFrom('images').selectAll().where('id', '=', id).executeTakeFirst();
    return raw && toRow(raw);
  }

  /** The image if the caller may see it; to all others it does not exist. */
  async findVisible(context: RequestContext, id: string): Promise<ImageRow> {
    const image = await this.find(id);
    if (!image || !(await this.isVisible(context, image))) throw imageNotFound(id);
    return image;
  }

  private async isVisible(context: RequestContext, image: ImageRow): Promise<boolean> {
    if (context.roleNames.has('admin') || image.visibility === 'public' || image.visibility === 'community') return true;
    const project = context.project?.id;
    if (project === undefined) return false;
    if (image.owner === project) return true;
    return image.visibility === 'shared' && (await this.memberStatus(image.id, project)) !== undefined;
  }

  async memberStatus(imageId: string, project: string): Promise<string | undefined> {
    return (await this.db.selectFrom('image_members').select('status').where('image_id', '=', imageId).where('member', '=', project).executeTakeFirst())?.status;
  }

  async insert(row: Insertable<ImagesTable>): Promise<void> {
    try {
      await this.db.insertInto('images').values(row).execute();
    } catch (error) {
      if (isDuplicateKey(error)) throw conflict(`Image ID ${row.id} already exists!`);
      throw error;
    }
  }

  /** Adds the row unless its id is taken. */
  async insertOnce(row: Insertable<ImagesTable>): Promise<void> {
    await this.db.insertInto('images').ignore().values(row).execute();
  }

  /** Changes the image if it is still as it was read (`updated_at`); 409 otherwise. */
  async update(image: ImageRow, changes: Updateable<ImagesTable>): Promise<ImageRow> {
    const now = new Date(Math.max(Date.now(), image.updated_at.getTime() + 1));
    const { numUpdatedRows } = await this.db.updateTable('images').set({ ...changes, updated_at: now })
      .where('id', '=', image.id).where('updated_at', '=', image.updated_at).executeTakeFirst();
    if (numUpdatedRows === 0n) throw conflict('There was a conflict when trying to complete your request.');
    return (await this.find(image.id)) ?? Promise.reject(imageNotFound(image.id));
  }

  /** queued -> saving for one upload; 409 when another status or another upload has it. */
  async beginUpload(image: ImageRow, token: string, leaseSeconds: number): Promise<void> {
    const { numUpdatedRows } = await this.db.updateTable('images')
      .set({ status: 'saving', upload_token: token, upload_lease: sql<Date>`CURRENT_TIMESTAMP(3) + INTERVAL ${leaseSeconds} SECOND` })
      .where('id', '=', image.id).where('status', '=', 'queued').executeTakeFirst();
    if (numUpdatedRows === 0n) {
      const current = await this.find(image.id);
      throw current ? conflict(`Image status transition from ${current.status} to saving is not allowed`) : imageNotFound(image.id);
    }
  }

  async renewUpload(id: string, token: string, leaseSeconds: number): Promise<boolean> {
    const { numUpdatedRows } = await this.db.updateTable('images')
      .set({ upload_lease: sql<Date>`CURRENT_TIMESTAMP(3) + INTERVAL ${leaseSeconds} SECOND` })
      .where('id', '=', id).where('upload_token', '=', token).executeTakeFirst();
    return numUpdatedRows > 0n;
  }

  /** saving -> active by the upload that holds the token; `publish` makes the data visible inside the transaction. */
  async finishUpload(id: string, token: string, facts: { size: number; virtualSize: number | null; md5: string; sha512: string }, publish: () => Promise<void>): Promise<void> {
    await inTransaction(this.db, async (trx) => {
      const { numUpdatedRows } = await trx.updateTable('images').set({
        status: 'active', size: facts.size, virtual_size: facts.virtualSize, checksum: facts.md5, os_hash_value: facts.sha512,
        upload_token: null, upload_lease: null, updated_at: new Date(),
      }).where('id', '=', id).where('status', '=', 'saving').where('upload_token', '=', token).executeTakeFirst();
      if (numUpdatedRows === 0n) throw new CloudError('gone', 'The image was deleted during its upload.');
      await publish();
    });
  }

  async abandonUpload(id: string, token: string): Promise<void> {
    await this.db.updateTable('images').set({ status: 'queued', upload_token: null, upload_lease: null })
      .where('id', '=', id).where('upload_token', '=', token).execute();
  }

  /** Uploads whose process died: their lease has run out. Returns how many images are queued again. */
  async releaseDeadUploads(): Promise<number> {
    const { numUpdatedRows } = await this.db.updateTable('images').set({ status: 'queued', upload_token: null, upload_lease: null })
      .where('status', '=', 'saving').where('upload_lease', '<', sql<Date>`CURRENT_TIMESTAMP(3)`).executeTakeFirst();
    return Number(numUpdatedRows);
  }

  /** Deletes an image that has no data yet. */
  async deleteUnfinished(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.db.deleteFrom('images').where('id', '=', id).where('status', 'in', ['queued', 'saving']).executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** Backups of one kind of an instance that have their data, the newest first. */
  async backupsOf(owner: string, instanceId: string, backupType: string): Promise<string[]> {
    const rows = await this.db.selectFrom('images').select('id').where('owner', '=', owner).where('status', '=', 'active')
      .where(sql<boolean>`JSON_VALUE(properties, '$.image_type') = 'backup' AND JSON_VALUE(properties, '$.instance_uuid') = ${instanceId} AND JSON_VALUE(properties, '$.backup_type') = ${backupType}`)
      .orderBy('created_at', 'desc').orderBy('id').execute();
    return rows.map(({ id }) => id);
  }

  async delete(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.db.deleteFrom('images').where('id', '=', id).where('protected', '=', 0).executeTakeFirst();
    return numDeletedRows > 0n;
  }
}
