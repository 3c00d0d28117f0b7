import { PeriodicWork, type Logger } from '@virga/core';
import type { Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';
import type { Neighbours } from '../operations/workflow';
import { registerService } from './register-service';

const EVERY_MS = 4000;
const LEASE_MS = 3 * EVERY_MS;

export interface ServiceRegistrarOptions {
  db: Kysely<ComputeDb>;
  logger: Logger;
  neighbours: Pick<Neighbours, 'placement'>;
  hostname: string;
}

/** Keeps the control plane's own services in the list: the conductor itself, and the scheduler if one answers, which has no access to this schema. */
export class ServiceRegistrar extends PeriodicWork {
  constructor(private readonly options: ServiceRegistrarOptions) {
    super({ everyMs: EVERY_MS, failed: 'service not registered' }, options.logger);
  }

  protected async work(): Promise<void> {
    const { db, neighbours, hostname } = this.options;
    await registerService(db, 'nova-conductor', hostname, LEASE_MS);
    const scheduler = await neighbours.placement.whoAnswers({});
    await registerService(db, 'nova-scheduler', scheduler.hostname, LEASE_MS);
  }
}
