import { setTimeout as sleep } from 'node:timers/promises';
import { errorMessage } from '@virga/core';
import { postOverSocket } from '../../health/http-health';
import type { Launch } from '../../load-site';
import type { Options } from '../../options';
import { adminSocket } from '../../parts/apps';
import { renderDrain, type DrainReport } from './drain-report';
import { siteAndHost } from './index';

const ASK_MS = 1000;
const ANSWER_MS = 20_000;
/** The conductor may be restarted meanwhile; the drain is in its database and goes on. */
const AWAY_MS = 120_000;
const ENDS: ReadonlySet<string> = new Set(['drained', 'restored', 'none']);

async function work(launch: Launch, options: Options, path: '/drain' | '/restore'): Promise<number> {
  const { site, plan } = siteAndHost(launch, options);
  let last: DrainReport | undefined;
  for (let heardAt = Date.now(); ;) {
    try {
      const answer = await postOverSocket(adminSocket(site, 'conductor'), path, { host: plan.name }, ANSWER_MS);
      if (answer.status !== 200) throw new Error(`the conductor could not do it (${answer.status}); see ./virga logs conductor`);
      const report = JSON.parse(answer.body) as DrainReport;
      heardAt = Date.now();
      if (!options.json) tellChanges(last, report);
      last = report;
      if (ENDS.has(report.state)) break;
    } catch (error) {
      if (!last || Date.now() - heardAt > AWAY_MS) throw new Error(`the conductor does not answer: ${errorMessage(error)}`);
    }
    await sleep(ASK_MS);
  }
  process.stdout.write(`${options.json ? JSON.stringify(last, null, 2) : renderDrain(last)}\n`);
  return last.instances.some(({ state }) => state === 'failed') ? 1 : 0;
}

/** What has changed since the last look, on stderr. */
function tellChanges(last: DrainReport | undefined, now: DrainReport): void {
  const before = new Map(last?.instances.map(({ id, state }) => [id, state]));
  for (const { id, name, state, where, message } of now.instances) {
    if (before.get(id) !== state) process.stderr.write(`${name} (${id}): ${state}${where === null ? '' : `, on ${where}`}${message === null ? '' : `: ${message}`}\n`);
  }
}

/** Takes a host out of service and moves its running guests away; returns when that is done. Exit code 1 when one could not be moved. */
export const drainHost = (launch: Launch, options: Options): Promise<number> => work(launch, options, '/drain');

/** Takes a host into service again and brings back what its drain has moved away. */
export const restoreHost = (launch: Launch, options: Options): Promise<number> => work(launch, options, '/restore');
