import { baseUrl, type FastifyRequest } from '@virga/rest';
import { LIVE_MIGRATION_IN_PROGRESS } from '@virga/domain';
import { microTime, microTimeOrNull } from '../times';
import type { Migration } from './migration.repository';

type Field = readonly [from: number, key: string, value: (migration: Migration, request: FastifyRequest) => unknown];

const isLive = ({ migration_type: type }: Migration): boolean => type === 'live-migration';
export const isInProgress = (migration: Migration): boolean => isLive(migration) && (LIVE_MIGRATION_IN_PROGRESS as readonly string[]).includes(migration.status);

function links({ instance_id: server, id }: Migration, request: FastifyRequest) {
  const path = `servers/${server}/migrations/${id}`;
  return [{ rel: 'self', href: `${baseUrl(request)}/v2.1/${path}` }, { rel: 'bookmark', href: `${baseUrl(request)}/${path}` }];
}

const COMMON: readonly Field[] = [
  [1, 'id', ({ id }) => id],
  [59, 'uuid', ({ uuid }) => uuid],
  [1, 'source_compute', (migration) => migration.source_compute],
  [1, 'dest_compute', (migration) => migration.dest_compute],
  // A host here is one node.
  [1, 'source_node', (migration) => migration.source_compute],
  [1, 'dest_node', (migration) => migration.dest_compute],
  [1, 'dest_host', (migration) => migration.dest_host],
  [1, 'status', ({ status }) => status],
  [80, 'user_id', (migration) => migration.user_id],
  [80, 'project_id', (migration) => migration.project_id],
  [1, 'created_at', (migration) => microTime(migration.created_at)],
  [1, 'updated_at', (migration) => microTimeOrNull(migration.updated_at)],
];
const LISTED: readonly Field[] = [
  ...COMMON,
  [1, 'old_instance_type_id', (migration) => migration.old_flavor_id],
  [1, 'new_instance_type_id', (migration) => migration.new_flavor_id],
  [1, 'instance_uuid', (migration) => migration.instance_id],
  [23, 'migration_type', (migration) => migration.migration_type],
  [23, 'links', (migration, request) => (isInProgress(migration) ? links(migration, request) : undefined)],
];
const OF_SERVER: readonly Field[] = [
  ...COMMON,
  [23, 'server_uuid', (migration) => migration.instance_id],
  ...(['memory', 'disk'] as const).flatMap((what) => (['total', 'processed', 'remaining'] as const).map((part): Field =>
    [23, `${what}_${part}_bytes`, (migration) => migration[`${what}_${part}`]])),
];

const view = (fields: readonly Field[]) => (migration: Migration, at: number, request: FastifyRequest): Record<string, unknown> =>
  Object.fromEntries(fields.filter(([from]) => from <= at).flatMap(([, key, value]) => {
    const shown = value(migration, request);
    return shown === undefined ? [] : [[key, shown]];
  }));

/** An entry of GET /os-migrations. */
export const migrationListed = view(LISTED);
/** A live migration in progress, as its server shows it. */
export const migrationOfServer = view(OF_SERVER);
