import { badRequest } from '@virga/core';
import { readPage, withQuery, type FastifyRequest } from '@virga/rest';
import type { Db } from '../tokens';
import type { MigrationQuery } from './migration.schema';
import { migrationListed } from './migration.view';
import type { Migration } from './migration.repository';

const values = (given: string | string[]): string[] => [given].flat();

/** Filters that compare one column. */
const EQUAL = { instance_uuid: 'instance_id', source_compute: 'source_compute', status: 'status', migration_type: 'migration_type', user_id: 'user_id', project_id: 'project_id' } as const;

function time(text: string): Date {
  return new Date(/([zZ]|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
}

/** Those that the filters leave. From 2.59 on newest first and in pages, before as they were made. */
export async function listMigrations(db: Db, query: MigrationQuery, at: number, maxLimit: number, request: FastifyRequest): Promise<Record<string, unknown>> {
  let select = db.selectFrom('migrations').selectAll();
  for (const [name, column] of Object.entries(EQUAL) as [keyof typeof EQUAL, (typeof EQUAL)[keyof typeof EQUAL]][]) {
    const given = query[name];
    if (given === undefined || (name === 'user_id' || name === 'project_id') && at < 80) continue;
    select = select.where(column, 'in', values(given));
  }
  const { host } = query;
  if (host !== undefined) select = select.where((eb) => eb.or([eb('source_compute', 'in', values(host)), eb('dest_compute', 'in', values(host))]));
  if (at < 59) return { migrations: (await select.orderBy('id').execute()).map((migration) => migrationListed(migration, at, request)) };

  const since = query['changes-since'];
  const before = query['changes-before'];
  if (since !== undefined && before !== undefined && time(since) > time(before)) throw badRequest('The value of changes-since must be less than or equal to changes-before.');
  if (since !== undefined) select = select.where((eb) => eb.fn.coalesce('updated_at', 'created_at'), '>=', time(since));
  if (before !== undefined) select = select.where((eb) => eb.fn.coalesce('updated_at', 'created_at'), '<=', time(before));
  const page = readPage(query, maxLimit);
  if (page.marker !== undefined) {
    const marker = await db.selectFrom('migrations').select(['id', 'created_at']).where('uuid', '=', page.marker).executeTakeFirst();
    if (!marker) throw badRequest(`Marker ${page.marker} could not be found.`);
    select = select.where((eb) => eb.or([eb('created_at', '<', marker.created_at), eb.and([eb('created_at', '=', marker.created_at), eb('id', '<', marker.id)])]));
  }
  const rows: Migration[] = page.limit === 0 ? [] : await select.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(page.limit).execute();
  return {
    migrations: rows.map((migration) => migrationListed(migration, at, request)),
    ...(rows.length > 0 && rows.length === page.limit && { migrations_links: [{ rel: 'next', href: withQuery(request, { marker: rows.at(-1)!.uuid }) }] }),
  };
}
