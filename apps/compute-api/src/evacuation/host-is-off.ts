import { execFile } from 'node:child_process';
import type { HostFacts } from '@virga/contracts';
import { conflict } from '@virga/core';
import { sql, type Kysely } from '@virga/db';
import type { ComputeDb } from '../db/schema';

/** Cuts a host's power; rejects when it is not sure that nothing of it runs any more. */
export type Fence = (hostname: string) => Promise<void>;

const FENCE_TIMEOUT_MS = 120_000;
/** What a host may need to switch its guests off, once it has begun. */
export const SWITCHING_OFF_SECONDS = 10;

/** A program of the operator's that gets the host's name as its only argument; exit code 0 says that the host is surely off. */
export const fenceByCommand = (command: string): Fence => (hostname) => new Promise((resolve, reject) => {
  execFile(command, [hostname], { timeout: FENCE_TIMEOUT_MS, maxBuffer: 1 << 20 }, (error, _output, trouble) => {
    if (error) reject(conflict(`Host ${hostname} could not be fenced: ${(trouble.trim() || error.message).slice(0, 300)}`, { type: 'FenceFailed' }));
    else resolve();
  });
});

/** True for a host that does not report, or that an operator has declared to be down. */
export async function isDown(db: Kysely<ComputeDb>, hostId: string): Promise<boolean> {
  const row = await db.selectFrom('hosts as h').leftJoin('services as s', (join) => join.onRef('s.host_id', '=', 'h.id').on('s.binary', '=', 'nova-compute'))
    .select(['s.forced_down', sql<number>`h.lease_until > NOW(3)`.as('alive')]).where('h.id', '=', hostId).executeTakeFirst();
  return !row || !row.alive || Boolean(row.forced_down);
}

/**
 * Resolves when nothing of the host can run any more: it was fenced, an operator has given his word by forcing it down, or it is silent
 * for so long that it has switched its guests off by itself.
 * @throws CloudError conflict when nobody knows
 */
export async function assertOff(db: Kysely<ComputeDb>, hostId: string, fence: Fence | undefined): Promise<void> {
  const row = await db.selectFrom('hosts as h').leftJoin('services as s', (join) => join.onRef('s.host_id', '=', 'h.id').on('s.binary', '=', 'nova-compute'))
    .select(['h.hostname', 'h.facts_json', 's.forced_down', sql<number>`TIMESTAMPDIFF(SECOND, h.lease_until, NOW(3))`.as('silent')]).where('h.id', '=', hostId).executeTakeFirst();
  if (!row) return;
  if (fence) return fence(row.hostname);
  if (row.forced_down) return;
  const { selfFenceSeconds } = JSON.parse(row.facts_json) as HostFacts;
  if (selfFenceSeconds !== undefined && row.silent > selfFenceSeconds + SWITCHING_OFF_SECONDS) return;
  throw conflict(`Host ${row.hostname} is silent, and nobody knows whether its guests are off: fence it, and force its compute service down.`, { type: 'HostNotFenced' });
}
