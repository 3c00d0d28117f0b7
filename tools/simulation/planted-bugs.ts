import { newUuid } from '@virga/core';
import { inTransaction } from '@virga/db';
import type { EngineOptions } from '../../apps/compute-api/src/operations/conductor-engine';
import type { Step, Workflow } from '../../apps/compute-api/src/operations/workflow';
import { releaseUsage } from '../../apps/compute-api/src/quotas/quota-usage';
import type { ServerFlavor } from '../../apps/compute-api/src/servers/server-row';
import type { SimulatedVerb } from '../../apps/compute-agent/src/virt/fake/simulation';
import { WORKFLOWS } from '../../apps/compute-api/src/workflows';
import type { FaultKind } from './simulated-process';
import type { SpoiledHost } from './simulated-hosts';
import type { Move } from './storm';

type Workflows = EngineOptions['workflows'];

/** A mistake that the simulator plants in a schedule, to show that it would see it. */
export interface PlantedBug {
  /** Instead of the cloud's own workflows. */
  workflows?: Workflows;
  host?: SpoiledHost;
  /** Conductors do not look for operations that nobody has woken them for. */
  blind?: boolean;
  /** What an API process has accepted and not yet passed on goes with it. */
  outboxInMemory?: boolean;
  /** How often conductors look for such operations, ms. */
  sweepMs?: number;
  /** How long a conductor's claim holds, ms. */
  leaseMs?: number;
  /** Hosts that come back after a loss of power leave their guests off. */
  staysOff?: boolean;
  /** Each process takes its own clock for the database's. */
  localClocks?: boolean;
  /** Verbs that no host ever carries out. */
  refuses?: readonly SimulatedVerb[];
  /** What users do, because it shows the mistake. */
  moves?: readonly Move[];
  /** What the schedule is to have above all, because it shows the mistake. */
  favours?: FaultKind;
}

/** With what is found of it. */
export interface KnownBug extends PlantedBug {
  finds: RegExp;
}

const changed = (kind: keyof Workflows, change: (workflow: Workflow) => Partial<Workflow>): Workflows => ({ ...WORKFLOWS, [kind]: { ...WORKFLOWS[kind], ...change(WORKFLOWS[kind]) } });
const steps = (kind: keyof Workflows, change: (step: Step) => Step): Workflows => changed(kind, (workflow) => ({ steps: workflow.steps.map(change) }));
const nothing = async () => undefined;
const without = (name: string) => (step: Step): Step => (step.name === name ? { ...step, do: nothing } : step);

/** Gives the quota back in a step of its own, which is run again when nobody knows whether it was done. */
const quotaInAStep = changed('delete-instance', ({ steps: before, succeeded }) => ({
  steps: [...before, {
    name: 'release_quota', timeoutMs: 60_000,
    do: async (context) => {
      const row = await context.instance();
      const { vcpus, ram } = JSON.parse(row.flavor_json) as ServerFlavor;
      await inTransaction(context.db, (trx) => releaseUsage(trx, row.project_id, { instances: 1, cores: vcpus, ram }));
    },
  }],
  succeeded: async (trx, operation) => {
    const usages = await trx.selectFrom('quota_usages').selectAll().execute();
    await succeeded(trx, operation);
    for (const { project_id: project, ...usage } of usages) await trx.updateTable('quota_usages').set(usage).where('project_id', '=', project).execute();
  },
}));

export const PLANTED_BUGS: Record<string, KnownBug> = {
  'a delete forgets the ports': { finds: /ports are left|port-belongs/, workflows: steps('delete-instance', without('release_ports')) },
  'a delete forgets the claim': { finds: /claims are left|allocation-belongs/, workflows: steps('delete-instance', without('release_host')) },
  'a finished build keeps its task state': { finds: /stuck in/, workflows: changed('build-instance', () => ({ succeeded: nothing })) },
  'a failed build keeps its ports': {
    refuses: ['define'], finds: /never built and keeps its ports/,
    workflows: steps('build-instance', ({ undo, ...step }) => (step.name === 'allocate_ports' || !undo ? step : { ...step, undo })),
  },
  'a failed power action keeps its task state': { refuses: ['stop', 'pause', 'suspend'], finds: /stuck in/, workflows: changed('power-action', () => ({ failed: nothing })) },
  'nobody looks for operations whose message was lost': { favours: 'lost', finds: /does not end/, blind: true },
  'a repeated command is begun again': {
    favours: 'repeated', finds: /the same .* twice/,
    host: { memory: ({ journal }) => { journal.find = () => undefined; } },
  },
  'a late command of an older generation is begun': {
    favours: 'delayed', finds: /after one of generation/, moves: ['create', 'remove', 'act'],
    host: { memory: ({ journal }) => { journal.generation = () => 0; } },
  },
  'an answer that was lost leaves a claim that nobody knows': {
    favours: 'answerLost', finds: /claim|allocation/,
    workflows: steps('build-instance', (step) => (step.name !== 'claim_host' ? step : {
      ...step,
      do: async (context) => {
        if (context.operation.tries === 0) return step.do(context);
        // Asked again it asks for another one.
        const claim = (request: Parameters<typeof context.neighbours.placement.claim>[0]) => context.neighbours.placement.claim({ ...request, consumerId: newUuid() });
        return step.do(Object.assign(Object.create(context) as typeof context, { neighbours: { ...context.neighbours, placement: { ...context.neighbours.placement, claim } } }));
      },
    })),
  },
  'an error of the database is taken for success': {
    favours: 'databaseError', finds: /ports are left|port-belongs|claims are left|allocation-belongs|other instances/, moves: ['create', 'remove'],
    workflows: steps('delete-instance', (step) => ({ ...step, do: (context) => step.do(context).catch(nothing) })),
  },
  'a step gives the quota back twice': { favours: 'commitAnswerLost', finds: /usage|quota/, workflows: quotaInAStep },
  'claims hold by the clocks of processes': { favours: 'clockSkew', finds: /taken over/, localClocks: true, leaseMs: 15_000, sweepMs: 200 },
  'the work of a conductor that has died is nobody\'s': { favours: 'conductorCrash', finds: /does not end/, leaseMs: 1e9 },
  'what an API process had accepted goes with it': { favours: 'apiCrash', finds: /does not end/, blind: true, outboxInMemory: true },
  'guests stay off when their host has been without power': { favours: 'hostCrash', finds: /is off and nobody has stopped it/, staysOff: true, refuses: [], moves: ['create'] },
  'an agent forgets what it had begun when it died': {
    favours: 'agentCrash', finds: /never told how it ended/,
    host: { records: (records) => records.filter((record) => record.kind !== 'begin' || records.some((other) => other.kind === 'end' && other.report.commandId === record.command.commandId)) },
  },
};
