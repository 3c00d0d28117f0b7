import type { BuildSpec, InstancePort } from '@virga/contracts';
import { conflict } from '@virga/core';
import { sql, type Transaction } from '@virga/db';
import type { MigrationStatus } from '@virga/domain';
import type { ComputeDb } from '../db/schema';
import { findMigrationOfOperation, updateMigration, type Migration } from '../migrations/migration.repository';
import type { Operation } from '../operations/operation';
import type { InstanceRow, StepContext } from '../operations/workflow';
import type { ServerFlavor } from '../servers/server-row';
import { instanceSpec } from './instance-spec';

/** A cold migration or a resize as its operations work on it. */
export interface ColdMove {
  id: number;
  uuid: string;
  type: 'migration' | 'resize';
  sourceHostId: string;
  sourceHostname: string;
  /** Empty until a host was chosen. */
  destHostId: string;
  destHostname: string;
  oldFlavor: ServerFlavor;
  newFlavor: ServerFlavor;
  /** Whether the guest is to run afterwards. */
  running: boolean;
  oldVmState: string;
}

const toMove = (row: Migration): ColdMove => ({
  id: row.id, uuid: row.uuid, type: row.migration_type as ColdMove['type'], sourceHostId: row.source_host_id!, sourceHostname: row.source_compute!,
  destHostId: row.dest_host_id ?? '', destHostname: row.dest_compute ?? '', oldFlavor: JSON.parse(row.old_flavor_json!) as ServerFlavor, newFlavor: JSON.parse(row.new_flavor_json!) as ServerFlavor,
  running: row.old_vm_state === 'active', oldVmState: row.old_vm_state!,
});

/** The move that the operation is at work on. */
export async function moveOf({ db, operation }: Pick<StepContext, 'db' | 'operation'>): Promise<ColdMove> {
  const row = await findMigrationOfOperation(db, operation.id);
  if (!row) throw conflict('The migration of this operation is not in the books any more.');
  return toMove(row);
}

export const moveInTransaction = async (trx: Transaction<ComputeDb>, operation: Operation): Promise<ColdMove | undefined> => {
  const row = await findMigrationOfOperation(trx, operation.id);
  return row && toMove(row);
};

/** Nothing when the row is gone or has ended. */
export async function endMove(trx: Transaction<ComputeDb>, operation: Operation, status: MigrationStatus): Promise<void> {
  const row = await findMigrationOfOperation(trx, operation.id);
  if (row) await updateMigration(trx, row.id, { status });
}

/** What a host must know to have the guest in the given size, with the ports that it has now. */
export async function specOf(context: StepContext, flavor: ServerFlavor): Promise<BuildSpec> {
  const row: InstanceRow = await context.instance();
  return instanceSpec({ ...row, flavor_json: JSON.stringify(flavor) }, await portsOf(context));
}

export async function portsOf({ neighbours, operation }: StepContext): Promise<InstancePort[]> {
  return (await neighbours.network.instancePorts({ instanceId: operation.instanceId })).ports;
}

/** Binds the instance's ports, if it has any, to the host. */
export async function bindTo(context: StepContext, hostId: string, hostname: string): Promise<void> {
  if ((await portsOf(context)).length > 0) await context.neighbours.network.bindPorts({ instanceId: context.operation.instanceId, hostId, hostname });
}

/** The zone of a host, for a statement that writes where an instance is. */
export const zoneOf = (hostId: string) => sql<string>`COALESCE((SELECT h.availability_zone FROM hosts AS h WHERE h.id = ${hostId}), 'nova')`;
