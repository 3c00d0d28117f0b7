import { sql, type Kysely } from '@virga/db';
import { Gauge, type Registry } from 'prom-client';
import type { NetworkSchema } from '../db/tables';

/** How many changes wait to be written to the northbound database, and how long the oldest has; read when somebody asks. */
export function queueMetrics(registry: Registry, db: Kysely<NetworkSchema>): void {
  const registers = [registry];
  const rows = new Gauge({ name: 'virga_network_queue_rows', help: 'Changes that wait to be written to the northbound database.', registers });
  const oldest = new Gauge({
    name: 'virga_network_queue_oldest_seconds', help: 'How long the oldest of them has waited.', registers,
    async collect() {
      const row = await db.selectFrom('ovn_sync')
        .select(({ fn }) => [fn.countAll().as('rows'), sql<string | null>`TIMESTAMPDIFF(MICROSECOND, MIN(created_at), NOW(3)) / 1000000`.as('age')]).executeTakeFirst().catch(() => undefined);
      if (!row) return;
      rows.set(Number(row.rows));
      oldest.set(Math.max(0, Number(row.age ?? 0)));
    },
  });
}
