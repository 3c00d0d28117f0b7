import { matchesExtraSpec } from '@virga/domain';
import type { Executor } from '@virga/db';
import { fromJson } from '../db/json';
import { sql } from '@virga/db';
import type { ComputeDb } from '../db/schema';

/** Extra specs of this scope are demands on the metadata of a host's aggregates. */
const SCOPE = 'aggregate_instance_extra_specs:';
/** Metadata that keeps the hosts of an aggregate for some projects; more keys may follow with a suffix. */
const TENANTS = 'filter_tenant_id';

type HostMetadata = { id: string; metadata: Record<string, string>[] };

/**
 * The hosts on which aggregates let a server of this flavor and project be: undefined when they forbid none. Each
 * demand of the flavor must be met by one of the host's aggregates; a host kept for some projects is nobody else's.
 * To be spread into every claim.
 */
export async function aggregateHosts(db: Executor<ComputeDb>, { projectId, extraSpecs }: { projectId: string; extraSpecs: Record<string, string> }): Promise<{ aggregateHostIds?: string[] }> {
  const demands = Object.entries(extraSpecs).filter(([key]) => key.startsWith(SCOPE)).map(([key, wanted]) => [key.slice(SCOPE.length), wanted] as const);
  if (demands.length === 0) {
    const kept = await db.selectFrom('aggregate_metadata').select('name').where('name', 'like', `${TENANTS}%`).executeTakeFirst();
    if (!kept) return {};
  }
  const hosts = await hostsWithMetadata(db);
  return { aggregateHostIds: hosts.filter((host) => demands.every(([key, wanted]) => meets(host, key, wanted)) && isOpenTo(host, projectId)).map(({ id }) => id) };
}

const meets = ({ metadata }: HostMetadata, key: string, wanted: string): boolean =>
  metadata.some((one) => Object.hasOwn(one, key) && listed(one[key]!).some((value) => matchesExtraSpec(value, wanted)));

function isOpenTo({ metadata }: HostMetadata, projectId: string): boolean {
  const projects = metadata.flatMap((one) => Object.entries(one).filter(([key]) => key.startsWith(TENANTS)).flatMap(([, value]) => listed(value)));
  return projects.length === 0 || projects.includes(projectId);
}

const listed = (text: string): string[] => text.split(',').map((part) => part.trim());

async function hostsWithMetadata(db: Executor<ComputeDb>): Promise<HostMetadata[]> {
  const rows = await db.selectFrom('hosts').leftJoin('aggregate_hosts as a', 'a.host_id', 'hosts.id').select(['hosts.id', 'a.aggregate_id']).execute();
  const metadata = new Map((await db.selectFrom('aggregate_metadata').groupBy('aggregate_id').select(['aggregate_id', sql<unknown>`JSON_OBJECTAGG(name, value)`.as('all')]).execute())
    .map((row) => [row.aggregate_id, fromJson<Record<string, string>>(row.all, {})]));
  const hosts = new Map<string, HostMetadata>();
  for (const { id, aggregate_id: aggregateId } of rows) {
    const host = hosts.get(id) ?? { id, metadata: [] };
    const of = aggregateId === null ? undefined : metadata.get(aggregateId);
    hosts.set(id, of ? { ...host, metadata: [...host.metadata, of] } : host);
  }
  return [...hosts.values()];
}
