import { sql } from 'kysely';
import { badRequest, CloudError, conflict, forbidden, type RequestContext } from '@virga/core';
import { inTransaction, isForeignKeyViolation, type Kysely } from '@virga/db';
import type { PolicyEnforcer, PolicyTarget } from '@virga/rest';
import type { NetworkSchema } from '../db/tables';
import { decodeRow, readInput, unwrapBody, withDefaults } from './attributes';
import { missing, type Collection, type Row, type Trx, type View } from './collection';
import { listRows, type Page, type Query } from './listing';
import type { Db } from '../db/tables';

const equal = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The verbs that all resources share: what is checked, in which order, and what is answered. */
export class CollectionVerbs {
  constructor(
    readonly db: Kysely<NetworkSchema>,
    private readonly policy: PolicyEnforcer,
    /** Called after each change was committed. */
    private readonly changed: () => void,
  ) {}

  async list(collection: Collection, caller: RequestContext, query: Query): Promise<{ views: View[]; page: Page }> {
    await collection.beforeList?.(caller);
    const hidden = this.guarded(collection).filter((name) => !this.policy.allows(caller, `get_${collection.singular}:${name}`));
    const page = await listRows(this.db, collection, caller, query, new Set(hidden));
    return { views: await this.views(this.db, collection, caller, page.rows, fieldsOf(query)), page };
  }

  async show(collection: Collection, caller: RequestContext, id: string, query: Query): Promise<View> {
    const row = await this.row(this.db, collection, caller, id);
    return (await this.views(this.db, collection, caller, [row], fieldsOf(query)))[0]!;
  }

  /** Makes one, or all of a list in one transaction; answers with the body of the response. */
  async create(collection: Collection, caller: RequestContext, body: unknown): Promise<View> {
    const many = (body as Record<string, unknown> | null)?.[collection.plural];
    if (many === undefined) return { [collection.singular]: (await this.createAll(collection, caller, [unwrapBody(body, collection.singular)]))[0] };
    if (!Array.isArray(many) || many.length === 0 || many.length > 100) throw badRequest('Body contains invalid data', { type: 'HTTPBadRequest' });
    const items = many.map((item: unknown) => unwrapBody({ [collection.singular]: item }, collection.singular));
    return { [collection.plural]: await this.createAll(collection, caller, items) };
  }

  private async createAll(collection: Collection, caller: RequestContext, items: Record<string, unknown>[]): Promise<View[]> {
    const inputs = items.map((item) => readInput(collection.attributes, item, 'post'));
    const views = await inUse(collection, undefined, () => inTransaction(this.db, async (trx) => {
      const ids: string[] = [];
      for (const given of inputs) {
        const input = withDefaults(collection.attributes, given);
        input.project_id = this.ownerOf(caller, given.project_id as string | undefined);
        const target = (await collection.newTarget?.(trx, caller, input)) ?? { projectId: input.project_id as string };
        this.enforce(collection, caller, 'create', given, target);
        ids.push(await collection.create!(trx, caller, input));
      }
      const rows = await this.rowsOf(trx, collection, ids);
      return this.views(trx, collection, caller, rows);
    }));
    this.changed();
    return views;
  }

  async update(collection: Collection, caller: RequestContext, id: string, body: unknown, revision?: number): Promise<View> {
    const input = readInput(collection.attributes, unwrapBody(body, collection.singular), 'put');
    return this.change(collection, caller, id, input, (trx, row) => {
      assertRevision(row, revision);
      return collection.update!(trx, caller, row, input);
    });
  }

  /** Changes a row that the caller may update, under its lock, and shows it. */
  async change(collection: Collection, caller: RequestContext, id: string, input: Record<string, unknown>, work: (trx: Trx, row: Row) => Promise<void>): Promise<View> {
    const view = await inTransaction(this.db, async (trx) => {
      const row = await this.row(trx, collection, caller, id, true);
      this.enforce(collection, caller, 'update', input, await collection.target(trx, row, caller));
      await work(trx, row);
      return (await this.views(trx, collection, caller, await this.rowsOf(trx, collection, [row.id])))[0]!;
    });
    this.changed();
    return view;
  }

  /** Runs an action of its own rule on a row that the caller sees, under its lock; answers with what it returns. */
  async act<T>(collection: Collection, caller: RequestContext, id: string, rule: string, work: (trx: Trx, row: Row) => Promise<T>): Promise<T> {
    const answer = await inTransaction(this.db, async (trx) => {
      const row = await this.row(trx, collection, caller, id, true);
      if (!this.policy.allows(caller, rule, await collection.target(trx, row, caller))) throw forbidden(`rule:${rule} is disallowed by policy`, { type: 'PolicyNotAuthorized' });
      return work(trx, row);
    });
    this.changed();
    return answer;
  }

  async remove(collection: Collection, caller: RequestContext, id: string, revision?: number): Promise<void> {
    await inUse(collection, id, () => inTransaction(this.db, async (trx) => {
      const row = await this.row(trx, collection, caller, id, true);
      this.enforce(collection, caller, 'delete', {}, await collection.target(trx, row, caller));
      assertRevision(row, revision);
      await collection.remove!(trx, caller, row);
    }));
    this.changed();
  }

  /** The row when the caller sees it, else 404. */
  async row(db: Db, collection: Collection, caller: RequestContext, id: string, lock = false): Promise<Row> {
    const visible = collection.visible(caller);
    const { rows: [row] } = await sql<Row>`select * from ${sql.table(collection.table)} where id = ${id}
      ${visible ? sql`and ${visible}` : sql``} ${lock ? sql`for update` : sql``}`.execute(db);
    if (!row) throw missing(collection, id);
    return row;
  }

  private async rowsOf(db: Db, collection: Collection, ids: string[]): Promise<Row[]> {
    const { rows } = await sql<Row>`select * from ${sql.table(collection.table)} where id in (${sql.join(ids)})`.execute(db);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return ids.map((id) => byId.get(id)!);
  }

  /** Rows as this caller may see them. */
  async views(db: Db, collection: Collection, caller: RequestContext, rows: Row[], fields?: ReadonlySet<string>): Promise<View[]> {
    if (rows.length === 0) return [];
    const extra = await collection.extend?.(db, rows, caller);
    const hidden = this.hiddenFrom(collection, caller);
    return rows.map((row, index) => {
      const view: View = Object.assign(decodeRow(collection.attributes, row), extra?.[index]);
      for (const name of hidden(row.project_id as string)) delete view[name];
      if ('project_id' in view) view.tenant_id = view.project_id;
      return fields ? Object.fromEntries(Object.entries(view).filter(([name]) => fields.has(name))) : view;
    });
  }

  /** The attributes of a project's resources that the caller may not see; the rules are asked once for each project. */
  private hiddenFrom(collection: Collection, caller: RequestContext): (projectId: string) => string[] {
    const guarded = this.guarded(collection);
    const byProject = new Map<string, string[]>();
    return (projectId) => {
      let hidden = byProject.get(projectId);
      if (!hidden) byProject.set(projectId, hidden = guarded.filter((name) => !this.policy.allows(caller, `get_${collection.singular}:${name}`, { projectId })));
      return hidden;
    };
  }

  /** Attributes that have a rule of their own for being seen. */
  private guarded(collection: Collection): string[] {
    return Object.keys(collection.attributes).filter((name) => this.policy.has(`get_${collection.singular}:${name}`));
  }

  private ownerOf(caller: RequestContext, asked: string | undefined): string {
    const own = caller.project?.id;
    if (asked !== undefined && asked !== own) {
      if (!caller.roleNames.has('admin')) {
        throw badRequest("Specifying 'project_id' or 'tenant_id' other than the authenticated project in request requires admin privileges", { type: 'HTTPBadRequest' });
      }
      return asked;
    }
    if (own === undefined) throw badRequest("Running without keystone AuthN requires that tenant_id is specified", { type: 'HTTPBadRequest' });
    return own;
  }

  /** The rule of the verb, and that of each attribute that is set to other than its default. */
  enforce(collection: Collection, caller: RequestContext, verb: 'create' | 'update' | 'delete', input: Record<string, unknown>, target: PolicyTarget): void {
    const action = `${verb}_${collection.singular}`;
    const rules = Object.keys(input).filter((name) => {
      const { guarded, default: standard } = collection.attributes[name]!;
      return this.policy.has(`${action}:${name}`) && (guarded ? guarded(input[name]) : !(verb === 'create' && equal(input[name], standard)));
    }).map((name) => `${action}:${name}`);
    if (verb !== 'delete') rules.push(...(collection.rules?.(input, verb) ?? []).filter((rule) => this.policy.has(rule)));
    if ([action, ...rules].every((rule) => this.policy.allows(caller, rule, target))) return;
    const sentence = rules.reduce((all, rule) => `(${all} and rule:${rule})`, `rule:${action}`);
    throw forbidden(`${sentence} is disallowed by policy`, { type: 'PolicyNotAuthorized' });
  }
}

/** A change that was meant for another revision than there is now is refused with 412. */
function assertRevision(row: Row, wanted: number | undefined): void {
  if (wanted === undefined || row.revision_number === wanted) return;
  throw new CloudError('preconditionFailed', `Constrained to ${wanted}, but current revision is ${String(row.revision_number)}`, { type: 'RevisionNumberConstraintFailed' });
}

/** Something came to refer to a row, or what it refers to went, between our look and our write: the foreign key says so. */
async function inUse<T>(collection: Collection, id: string | undefined, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!isForeignKeyViolation(error)) throw error;
    throw conflict(id === undefined ? `What the ${collection.singular} refers to was deleted in the meantime.` : `${collection.singular} ${id} is in use.`, { type: 'InUse' });
  }
}

function fieldsOf(query: Query): ReadonlySet<string> | undefined {
  const fields = [query.fields ?? []].flat().flatMap((field) => field.split(',')).filter((field) => field !== '');
  return fields.length > 0 ? new Set(fields) : undefined;
}
