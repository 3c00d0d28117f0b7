import { badRequest, type RequestContext } from '@virga/core';
import { sql } from '@virga/db';
import type { SelectQueryBuilder } from 'kysely';
import type { ComputeDb } from '../db/schema';
import { readPage, readSort, withQuery, type FastifyRequest, type Microversion, type PolicyEnforcer } from '@virga/rest';
import { readBoolean } from '../booleans';
import type { ComputeSettings, Db } from '../tokens';
import { addAddresses, selectServers } from './server.repository';
import { serverConditions, type ServerQuery } from './server-list-query';
import { serverBrief, serverDetail } from './server.view';

/** Sort keys of the API to columns. */
const SORT_COLUMNS = {
  created_at: 'created_at', updated_at: 'updated_at', display_name: 'display_name', name: 'display_name', uuid: 'id', id: 'id', vm_state: 'vm_state', task_state: 'task_state',
  power_state: 'power_state', host: 'host', node: 'host', project_id: 'project_id', user_id: 'user_id', key_name: 'key_name', image_ref: 'image_id', instance_type_id: 'flavor_json',
  availability_zone: 'availability_zone', launched_at: 'launched_at', terminated_at: 'terminated_at', hostname: 'hostname', launch_index: 'launch_index', config_drive: 'config_drive',
  root_device_name: 'root_device_name', access_ip_v4: 'access_ip_v4', access_ip_v6: 'access_ip_v6', auto_disk_config: 'disk_config', progress: 'id', locked: 'locked', locked_by: 'locked_by',
  display_description: 'description',
} as const;
type SortKey = keyof typeof SORT_COLUMNS;
const SORT_KEYS = Object.keys(SORT_COLUMNS) as SortKey[];

export interface ListDeps { db: Db; policy: PolicyEnforcer; settings: ComputeSettings }

export async function listServers(deps: ListDeps, caller: RequestContext, { minor }: Microversion, query: ServerQuery, request: FastifyRequest, form: 'brief' | 'detail') {
  const { db, settings, policy } = deps;
  const allProjects = readAllTenants(query);
  if (allProjects) policy.enforce(caller, `os_compute_api:servers:${form === 'detail' ? 'detail' : 'index'}:get_all_tenants`);
  const page = readPage(single(query), settings.maxLimit);
  const sort = readSort(query as Record<string, string>, SORT_KEYS, [['created_at', 'desc']]);
  const keys: [string, 'asc' | 'desc'][] = [...sort.map(([key, dir]) => [SORT_COLUMNS[key], dir] as [string, 'asc' | 'desc']), ['id', sort[0]![1]]];
  const conditions = serverConditions(query, caller, minor, settings.networkSchema, allProjects);
  if (page.marker !== undefined) conditions.push(afterMarker(await findMarker(db, page.marker, caller), keys));
  const pageOf = async <O>(select: SelectQueryBuilder<ComputeDb, 'instances', O>): Promise<O[]> => {
    let narrowed = select;
    for (const condition of conditions) narrowed = narrowed.where(condition);
    for (const [column, dir] of keys) narrowed = narrowed.orderBy(sql.ref(`instances.${column}`), dir);
    return page.limit === 0 ? [] : narrowed.limit(page.limit).execute().catch(refusePattern);
  };
  const links = (rows: readonly { id: string }[]) => (rows.length > 0 && rows.length === page.limit
    ? { servers_links: [{ rel: 'next', href: withQuery(request, { marker: rows.at(-1)!.id }) }] }
    : {});
  if (form === 'brief') {
    const rows = await pageOf(db.selectFrom('instances').select(['instances.id', 'display_name']));
    return { servers: rows.map((row) => serverBrief(row, request)), ...links(rows) };
  }
  const servers = await addAddresses(db, settings.networkSchema, await pageOf(selectServers(db, settings.networkSchema)));
  const admin = policy.allows(caller, 'os_compute_api:os-extended-server-attributes');
  const context = { request, at: minor, admin, form: 'list' as const };
  return { servers: servers.map((server) => serverDetail(server, context)), ...links(servers) };
}

/** MariaDB's number for a regular expression that it cannot run, or gave up on. */
const BAD_PATTERN = 1139;
function refusePattern(error: unknown): never {
  if ((error as { errno?: number }).errno === BAD_PATTERN) throw badRequest('Invalid filter: the database cannot run the regular expression.');
  throw error;
}

/** A repeated parameter: the last one counts, as in nova. */
const single = (query: ServerQuery): Record<string, string> =>
  Object.fromEntries(Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, [value].flat().at(-1)!]])));

function readAllTenants(query: ServerQuery): boolean {
  const asked = [query.all_tenants].flat().at(-1);
  if (asked === undefined) return false;
  if (asked === '') return true;
  const read = readBoolean(asked);
  if (read === undefined) throw badRequest(`Unrecognized value '${asked}', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'`);
  return read;
}

async function findMarker(db: Db, marker: string, caller: RequestContext) {
  let query = db.selectFrom('instances').selectAll().where('id', '=', marker);
  if (!caller.roleNames.has('admin')) query = query.where('project_id', '=', caller.project?.id ?? '');
  const row = await query.executeTakeFirst();
  if (!row) throw badRequest(`marker [${marker}] not found`);
  return row as unknown as Record<string, string | number | Date | null>;
}

/** Rows behind the marker in the order of all keys; NULL sorts first, as the database does it. */
function afterMarker(marker: Record<string, string | number | Date | null>, keys: [string, 'asc' | 'desc'][]) {
  const parts = keys.map(([column, dir], index) => {
    const equal = keys.slice(0, index).map(([earlier]) => sql`${sql.ref(`instances.${earlier}`)} <=> ${marker[earlier]}`);
    const ref = sql.ref(`instances.${column}`);
    const value = marker[column] ?? null;
    const beyond = dir === 'asc'
      ? value === null ? sql`${ref} IS NOT NULL` : sql`${ref} > ${value}`
      : value === null ? sql`FALSE` : sql`(${ref} < ${value} OR ${ref} IS NULL)`;
    return sql`(${sql.join([...equal, beyond], sql` AND `)})`;
  });
  return sql<boolean>`(${sql.join(parts, sql` OR `)})`;
}
