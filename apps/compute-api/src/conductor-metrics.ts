import { sql, type Kysely } from '@virga/db';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import type { ComputeDb } from './db/schema';
import type { EngineEvents } from './operations/conductor-engine';
import { LIVE_STATES } from './operations/operation';

/** Steps take from milliseconds to the minutes of a large image's download. */
const STEP_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

/** What the conductor shows on /metrics; what lies in the database is read when somebody asks. */
export class ConductorMetrics implements EngineEvents {
  private readonly ended: Counter<'kind' | 'end'>;
  private readonly steps: Histogram<'kind' | 'step' | 'phase' | 'result'>;
  private readonly sweeper: Counter;
  private readonly violations: Gauge<'invariant'>;
  private readonly repairs: Counter<'invariant'>;
  private readonly passes: Histogram;
  private readonly unchecked: Gauge;

  constructor(registry: Registry, db: Kysely<ComputeDb>, deadLetters: () => Promise<number>) {
    const registers = [registry];
    this.ended = new Counter({ name: 'virga_operations_ended_total', help: 'Operations that this process has ended.', labelNames: ['kind', 'end'], registers });
    this.steps = new Histogram({ name: 'virga_operation_step_seconds', help: 'From the first start of a step to its end, waits included.', labelNames: ['kind', 'step', 'phase', 'result'], buckets: STEP_BUCKETS, registers });
    this.sweeper = new Counter({ name: 'virga_sweeper_found_total', help: 'Due operations that nobody had woken this process for.', registers });
    this.violations = new Gauge({ name: 'virga_invariant_violations', help: 'What the last comparison of the cloud with itself found.', labelNames: ['invariant'], registers });
    this.repairs = new Counter({ name: 'virga_invariant_repairs_total', help: 'What was repaired.', labelNames: ['invariant'], registers });
    this.passes = new Histogram({ name: 'virga_reconcile_pass_seconds', help: 'Time that a comparison of the cloud with itself took.', buckets: STEP_BUCKETS, registers });
    this.unchecked = new Gauge({ name: 'virga_invariants_unchecked', help: 'Invariants that the last comparison could not look at.', registers });
    const gauge = (name: string, help: string, labelNames: string[], read: (gauge: Gauge) => Promise<void>) => new Gauge({
      name, help, labelNames, registers,
      async collect() {
        this.reset();
        // A figure that cannot be had is left out; it does not take the others with it.
        await read(this).catch(() => this.reset());
      },
    });
    gauge('virga_operations', 'Operations that are not over.', ['kind', 'state'], async (target) => {
      const rows = await db.selectFrom('operations').select(['kind', 'state', ({ fn }) => fn.countAll().as('count')]).where('state', 'in', [...LIVE_STATES]).groupBy(['kind', 'state']).execute();
      for (const { kind, state, count } of rows) target.set({ kind, state }, Number(count));
    });
    const age = (column: string) => sql<string | null>`TIMESTAMPDIFF(MICROSECOND, MIN(${sql.ref(column)}), NOW(3)) / 1000000`;
    gauge('virga_outbox_rows', 'Messages that wait to be sent.', [], async (target) => target.set(Number((await db.selectFrom('outbox').select(({ fn }) => fn.countAll().as('rows')).executeTakeFirstOrThrow()).rows)));
    gauge('virga_outbox_oldest_seconds', 'How long the oldest message has waited to be sent.', [], async (target) =>
      target.set(Math.max(0, Number((await db.selectFrom('outbox').select(age('created_at').as('age')).executeTakeFirstOrThrow()).age ?? 0))));
    gauge('virga_commands_in_flight', 'Commands that are out to hosts.', ['verb'], async (target) => {
      const rows = await db.selectFrom('commands').select(['verb', ({ fn }) => fn.countAll().as('count')]).where('state', '=', 'sent').groupBy('verb').execute();
      for (const { verb, count } of rows) target.set({ verb }, Number(count));
    });
    gauge('virga_commands_oldest_seconds', 'How long the oldest command has been out.', [], async (target) =>
      target.set(Math.max(0, Number((await db.selectFrom('commands').select(age('created_at').as('age')).where('state', '=', 'sent').executeTakeFirstOrThrow()).age ?? 0))));
    gauge('virga_operations_overdue_seconds', 'How long the operation that has been due longest has waited for a conductor.', [], async (target) =>
      target.set(Math.max(0, Number((await db.selectFrom('operations').select(age('due_at').as('age')).where('state', 'in', [...LIVE_STATES]).where('owner', 'is', null).executeTakeFirstOrThrow()).age ?? 0))));
    gauge('virga_dead_letters', 'Messages that could not be handled and lie with the broker.', [], async (target) => target.set(await deadLetters()));
  }

  stepEnded(kind: string, step: string, phase: 'do' | 'undo', result: 'Success' | 'Error', seconds: number): void {
    this.steps.observe({ kind, step, phase, result }, seconds);
  }

  operationEnded(kind: string, end: string): void {
    this.ended.inc({ kind, end });
  }

  swept(count: number): void {
    this.sweeper.inc(count);
  }

  passed(violations: ReadonlyMap<string, number>, unchecked: number, seconds: number): void {
    for (const [invariant, count] of violations) this.violations.set({ invariant }, count);
    this.unchecked.set(unchecked);
    this.passes.observe(seconds);
  }

  repaired(invariant: string): void {
    this.repairs.inc({ invariant });
  }
}
