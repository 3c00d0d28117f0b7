import type { Site } from '../../deploy/src/site';
import type { Outcome } from './books';
import type { Kill } from './kills';
import type { ChaosOptions } from './options';

export interface Result {
  options: ChaosOptions;
  site: Site;
  machine: string;
  kills: readonly Kill[];
  outcomes: readonly Outcome[];
  unanswered: number;
  refused: number;
  /** Floating IPs that were led to another server. */
  floatingMoves: number;
  seconds: number;
  operationsRestMs: number | undefined;
  restMs: number | undefined;
  /** Instances that had two machines at one moment. */
  doubled: readonly string[];
  /** What was wrong when the cloud should have been at rest. */
  violations: readonly { invariant: string; sentence: string }[];
  /** What was left when every server had been deleted. */
  orphans: readonly { invariant: string; sentence: string }[];
  unchecked: readonly { invariant: string; reason: string }[];
  guestsLeft: number;
  deadLetters: number | null;
}

/** Converged this long after the last part is back, at most. */
const GOAL_MS = 15_000;

const count = <T>(items: readonly T[], key: (item: T) => string): [string, number][] => {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(key(item), (counts.get(key(item)) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a);
};
const table = (rows: readonly (readonly (string | number)[])[]): string => rows.map((row) => `| ${row.join(' | ')} |`).join('\n');
const seconds = (ms: number | undefined): string => (ms === undefined ? 'never' : `${(Math.max(0, ms) / 1000).toFixed(1)} s`);
/** Names of things in a reason differ from case to case. */
const general = (reason: string): string => reason.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, '…').slice(0, 160);

export function renderResult(result: Result): { text: string; good: boolean } {
  const { options, outcomes, kills, orphans, violations, doubled, unchecked, restMs, operationsRestMs, guestsLeft } = result;
  const ended = (end: Outcome['end']) => outcomes.filter((outcome) => outcome.end === end);
  const [lost, open] = [ended('lost'), ended('open')];
  const good = lost.length + open.length + orphans.length + violations.length + doubled.length + unchecked.length + guestsLeft === 0
    && restMs !== undefined && restMs <= GOAL_MS && kills.length >= options.kills && outcomes.length >= options.operations;
  const notBack = kills.filter(({ backAfterMs }) => backAfterMs === undefined);
  const text = [
    '# Kills at random under load', '',
    `Command: \`npm run chaos -- --kills ${options.kills} --operations ${options.operations} --clients ${options.clients} --hosts ${result.site.hosts.length} --seed ${options.seed}\``, '',
    `Machine: ${result.machine}. ${Math.round(result.seconds)} s under fire. ${new Date().toISOString().slice(0, 16)}Z.`, '',
    `**${good ? 'Passed' : 'Not passed'}**: 0 lost, 0 stuck, 0 orphans, no guest on two hosts, at rest at most ${GOAL_MS / 1000} s after the last part was back.`, '',
    table([
      ['what', 'count'], ['---', '---:'],
      ['kill -9', kills.length], ['requests accepted', outcomes.length], ['ended done', ended('done').length], ['ended failed, with a reason', ended('failed').length],
      ['ended superseded by a deletion', ended('cancelled').length], ['lost', lost.length], ['stuck', open.length],
      ['wrong when it should be at rest', violations.length], ['orphans after everything was deleted', orphans.length + guestsLeft], ['invariants that could not be looked at', unchecked.length],
      ['guests on two hosts', doubled.length], ['last operation ended after the last part was back', seconds(operationsRestMs)], ['at rest after the last part was back', seconds(restMs)],
      ['floating IPs led to another server', result.floatingMoves], ['requests that got no answer or 5xx (nothing promised)', result.unanswered], ['requests refused (4xx)', result.refused], ['dead letters', result.deadLetters ?? 'unknown'],
      ['parts that did not come back in time', notBack.length],
    ]), '',
    table([['request', 'accepted', 'done', 'failed', 'superseded'], ['---', '---:', '---:', '---:', '---:'], ...count(outcomes, ({ kind }) => kind).map(([kind, n]) => {
      const of = (end: string) => outcomes.filter((outcome) => outcome.kind === kind && outcome.end === end).length;
      return [kind, n, of('done'), of('failed'), of('cancelled')];
    })]), '',
    table([['part', 'kills', 'back after, mean'], ['---', '---:', '---:'], ...count(kills, ({ part }) => part).map(([part, n]) => {
      const times = kills.filter((kill) => kill.part === part).flatMap(({ backAfterMs }) => backAfterMs ?? []);
      return [part, n, seconds(times.reduce((sum, ms) => sum + ms, 0) / Math.max(1, times.length))];
    })]), '',
    ...(ended('failed').length > 0 ? ['Reasons of failures:', '', ...count(ended('failed'), ({ kind, reason }) => `${kind}: ${general(reason ?? 'no reason')}`).map(([reason, n]) => `- ${n} x ${reason}`), ''] : []),
    ...[...lost, ...open].map(({ kind, serverId, requestId, end }) => `- ${end}: ${kind} of ${serverId} (${requestId})`),
    ...[...violations, ...orphans].map(({ invariant, sentence }) => `- ${invariant}: ${sentence}`),
    ...unchecked.map(({ invariant, reason }) => `- not looked at: ${invariant}: ${reason}`),
    ...doubled.map((id) => `- on two hosts: ${id}`), '',
  ].join('\n');
  return { text, good };
}
