import type { TSchema } from '@sinclair/typebox';
import { conflict, notFound } from '@virga/core';
import { isDuplicateKey, type Transaction } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import { setAggregateMetadata, type Aggregate } from './aggregate.repository';
import { AddHost, RemoveHost, SetMetadata } from './aggregate.schema';
import { lockHosts } from './host-zones';

/** Changes an aggregate whose row is locked; returns names of hosts concerned beside those that are in it. */
export type AggregateChange<A = void> = (trx: Transaction<ComputeDb>, aggregate: Aggregate, argument: A) => Promise<string[] | void>;

interface AggregateAction {
  rule: string;
  schema: TSchema;
  /** For refusals: `Cannot <verb> aggregate 1.` */
  verb: string;
  change: AggregateChange<never>;
}

async function knownHost(trx: Transaction<ComputeDb>, hostname: string): Promise<string> {
  const [host] = await lockHosts(trx, [hostname]);
  if (!host) throw notFound(`Compute host ${hostname} could not be found.`);
  return host.id;
}

const addHost: AggregateChange<{ host: string }> = async (trx, { id }, { host }) => {
  const hostId = await knownHost(trx, host);
  await trx.insertInto('aggregate_hosts').values({ aggregate_id: id, host_id: hostId }).execute()
    .catch((error: unknown) => { throw isDuplicateKey(error) ? conflict(`Aggregate ${id} already has host ${host}.`) : error; });
  return [host];
};

const removeHost: AggregateChange<{ host: string }> = async (trx, { id }, { host }) => {
  const hostId = await knownHost(trx, host);
  const { numDeletedRows } = await trx.deleteFrom('aggregate_hosts').where('aggregate_id', '=', id).where('host_id', '=', hostId).executeTakeFirst();
  if (numDeletedRows === 0n) throw notFound(`Cannot remove host ${host} in aggregate ${id}: not found`);
};

const setMetadata: AggregateChange<{ metadata: Record<string, string | null> }> = (trx, { id }, { metadata }) => setAggregateMetadata(trx, id, metadata);

/** Keys of POST /os-aggregates/{id}/action. */
export const AGGREGATE_ACTIONS: Record<string, AggregateAction> = {
  add_host: { rule: 'os_compute_api:os-aggregates:add_host', schema: AddHost, verb: 'add host to', change: addHost },
  remove_host: { rule: 'os_compute_api:os-aggregates:remove_host', schema: RemoveHost, verb: 'remove host from', change: removeHost },
  set_metadata: { rule: 'os_compute_api:os-aggregates:set_metadata', schema: SetMetadata, verb: 'update', change: setMetadata },
};
