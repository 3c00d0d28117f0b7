import { Inject, Injectable } from '@nestjs/common';
import { conflict, forbidden, notFound, type RequestContext } from '@virga/core';
import { inTransaction, isDuplicateKey, type Executor } from '@virga/db';
import { DB, type ImageDb, type ImageSchema } from '../db/tables';
import { storedBody, type ItemBody, type ItemRow, type Kind, type NamespaceRow } from './metadef';

const NOUNS: Record<Kind, string> = { object: 'object', property: 'property', tag: 'tag', resource_type: 'resource-type association' };
const isVisible = (caller: RequestContext, row: NamespaceRow): boolean => row.visibility === 'public' || caller.roleNames.has('admin') || row.owner === caller.project?.id;

@Injectable()
export class MetadefRepository {
  constructor(@Inject(DB) readonly db: ImageDb) {}

  /** The namespace if the caller may see it; to all others it does not exist. */
  async namespace(caller: RequestContext, name: string): Promise<NamespaceRow> {
    const row = await this.db.selectFrom('metadef_namespaces').selectAll().where('namespace', '=', name).executeTakeFirst();
    if (!row || !isVisible(caller, row)) throw notFound(`Metadata definition namespace not found: ${name.slice(0, 80)}`);
    return row;
  }

  async namespaces(caller: RequestContext): Promise<NamespaceRow[]> {
    const rows = await this.db.selectFrom('metadef_namespaces').selectAll().orderBy('namespace').execute();
    return rows.filter((row) => isVisible(caller, row));
  }

  async create(row: NamespaceRow, items: [Kind, ItemBody[]][]): Promise<void> {
    try {
      await inTransaction(this.db, async (trx) => {
        await trx.insertInto('metadef_namespaces').values(row).execute();
        for (const [kind, bodies] of items) await this.insert(trx, row.namespace, kind, bodies);
      });
    } catch (error) {
      if (isDuplicateKey(error)) throw conflict(`The metadata definition namespace=${row.namespace} already exists.`);
      throw error;
    }
  }

  async update(name: string, row: NamespaceRow): Promise<void> {
    try {
      await this.db.updateTable('metadef_namespaces').set(row).where('namespace', '=', name).execute();
    } catch (error) {
      if (isDuplicateKey(error)) throw conflict(`The metadata definition namespace=${row.namespace} already exists.`);
      throw error;
    }
  }

  /** Removes a namespace that is not protected, with all that is in it. */
  async remove(row: NamespaceRow): Promise<void> {
    if (row.protected) throw forbidden(`Metadata definition namespace ${row.namespace} is protected and cannot be deleted.`);
    await this.db.deleteFrom('metadef_namespaces').where('namespace', '=', row.namespace).execute();
  }

  items(namespace: string, kind: Kind): Promise<ItemRow[]> {
    return this.db.selectFrom('metadef_items').selectAll().where('namespace', '=', namespace).where('kind', '=', kind).orderBy('name').execute();
  }

  async item(namespace: string, kind: Kind, name: string): Promise<ItemRow> {
    const row = await this.db.selectFrom('metadef_items').selectAll().where('namespace', '=', namespace).where('kind', '=', kind).where('name', '=', name).executeTakeFirst();
    if (!row) throw notFound(`The metadata definition ${NOUNS[kind]} with name=${name.slice(0, 80)} was not found in namespace=${namespace}.`);
    return row;
  }

  async addItem(namespace: string, kind: Kind, body: ItemBody): Promise<ItemRow> {
    await this.unique(namespace, kind, body.name, () => this.insert(this.db, namespace, kind, [body]));
    return this.item(namespace, kind, body.name);
  }

  async replaceItem(old: ItemRow, body: ItemBody): Promise<ItemRow> {
    const { namespace, name } = old;
    const kind = old.kind as Kind;
    await this.unique(namespace, kind, body.name, () => this.db.updateTable('metadef_items').set({ name: body.name, body: storedBody(body), updated_at: new Date() })
      .where('namespace', '=', namespace).where('kind', '=', kind).where('name', '=', name).execute());
    return this.item(namespace, kind, body.name);
  }

  /** Puts the given items in the place of all of that kind, or beside them. */
  async writeAll(namespace: string, kind: Kind, bodies: ItemBody[], append: boolean): Promise<void> {
    await this.unique(namespace, kind, '', () => inTransaction(this.db, async (trx) => {
      if (!append) await trx.deleteFrom('metadef_items').where('namespace', '=', namespace).where('kind', '=', kind).execute();
      await this.insert(trx, namespace, kind, bodies);
    }));
  }

  async removeItem({ namespace, kind, name }: ItemRow): Promise<void> {
    await this.db.deleteFrom('metadef_items').where('namespace', '=', namespace).where('kind', '=', kind).where('name', '=', name).execute();
  }

  async resourceTypes(): Promise<{ name: string; created_at: Date; updated_at: Date }[]> {
    return this.db.selectFrom('metadef_items').select((eb) => ['name', eb.fn.min('created_at').as('created_at'), eb.fn.max('updated_at').as('updated_at')])
      .where('kind', '=', 'resource_type').groupBy('name').orderBy('name').execute();
  }

  private async insert(db: Executor<ImageSchema>, namespace: string, kind: Kind, bodies: ItemBody[]): Promise<void> {
    const now = new Date();
    if (bodies.length > 0) await db.insertInto('metadef_items').values(bodies.map((body) => ({ namespace, kind, name: body.name, body: storedBody(body), created_at: now, updated_at: now }))).execute();
  }

  private async unique<T>(namespace: string, kind: Kind, name: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isDuplicateKey(error)) throw conflict(`A metadata definition ${NOUNS[kind]}${name && ` with name=${name}`} already exists in namespace=${namespace}.`);
      throw error;
    }
  }
}
