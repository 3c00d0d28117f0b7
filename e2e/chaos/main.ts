import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ACCOUNTS } from '../../deploy/src/credentials';
import { postOverSocket } from '../../deploy/src/health/http-health';
import { loadSite } from '../../deploy/src/load-site';
import { adminSocket } from '../../deploy/src/parts/apps';
import { partsOf } from '../../deploy/src/parts/catalog';
import { databaseUrl } from '../../deploy/src/parts/mariadb';
import { SecretStore } from '../../deploy/src/secrets';
import type { Site } from '../../deploy/src/site';
import type { VerifyReport } from '../../deploy/src/verbs/verify';
import { Api } from './api';
import { Books } from './books';
import { ChaosClient } from './clients';
import { layGround } from './ground';
import { doubledGuests, guestProcesses, Killer } from './kills';
import { readOptions } from './options';
import { Random } from './random';
import { renderResult, type Result } from './report';

const CONVERGE_MS = 300_000;

const say = (text: string): void => { process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`); };

async function verify(site: Site): Promise<VerifyReport | undefined> {
  const answer = await postOverSocket(adminSocket(site, 'conductor'), '/verify', {}, 120_000).catch(() => undefined);
  return answer?.status === 200 ? (JSON.parse(answer.body) as VerifyReport) : undefined;
}

/** Waits until no operation is open and nothing is wrong any more; returns when that began to be so. */
async function converged(site: Site, books: Books): Promise<{ operationsAt: number | undefined; cleanAt: number | undefined; report: VerifyReport | undefined }> {
  const end = Date.now() + CONVERGE_MS;
  let operationsAt: number | undefined;
  let report: VerifyReport | undefined;
  while (Date.now() < end) {
    if (operationsAt === undefined) {
      if (await books.liveOperations().catch(() => 1) > 0) { await sleep(250); continue; }
      operationsAt = Date.now();
    }
    const began = Date.now();
    report = await verify(site);
    if (report?.clean) return { operationsAt, cleanAt: report.violations.length === 0 ? Math.max(began, operationsAt) : undefined, report };
    for (const { invariant, sentence } of report?.violations ?? []) say(`not yet: ${invariant}: ${sentence}`);
    for (const { invariant, reason } of report?.unchecked ?? []) say(`not looked at: ${invariant}: ${reason}`);
    await sleep(500);
  }
  return { operationsAt, cleanAt: undefined, report };
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const site = loadSite({ root: process.cwd(), state: options.state, startedAt: Date.now() });
  const secrets = new SecretStore(join(site.etc, 'secrets.json'));
  const parts = partsOf(site, secrets);
  const account = { identityUrl: site.publicUrls.identity, username: ACCOUNTS.admin.username, password: secrets.get(ACCOUNTS.admin.secret), project: ACCOUNTS.admin.project };
  const api = new Api(account, { compute: `${site.publicUrls.compute}/v2.1`, network: `${site.publicUrls.network}/v2.0`, image: `${site.publicUrls.image}/v2` });
  const books = new Books(databaseUrl(site, secrets, 'compute'));
  say(`seed ${options.seed}: at least ${options.kills} kills and ${options.operations} accepted requests by ${options.clients} clients on ${site.hosts.length} hosts`);
  const ground = await layGround(api);

  let stop = false;
  const killer = new Killer(site, parts, new Random(`${options.seed}/kills`), say);
  const clients = Array.from({ length: options.clients }, (_, at) => new ChaosClient(`chaos-${at + 1}`, api, ground, new Random(`${options.seed}/client/${at}`), () => stop));
  const accepted = () => clients.flatMap((client) => client.accepted);
  const began = Date.now();
  const working = clients.map((client) => client.run().catch((error: unknown) => say(`a client ended: ${String(error)}`)));
  const doubled = new Set<string>();
  const watching = (async () => {
    while (!stop) {
      for (const id of await doubledGuests(site)) doubled.add(id);
      await sleep(2000);
    }
  })();
  const pauses = new Random(`${options.seed}/pauses`);
  let told = 0;
  const latest = began + options.minutes * 60_000;
  while ((killer.kills.length < options.kills || accepted().length < options.operations) && Date.now() < latest) {
    await sleep(500 + pauses.int(2500));
    await killer.round();
    if (Date.now() - told > 20_000) {
      told = Date.now();
      say(`${killer.kills.length} kills, ${accepted().length} accepted, ${clients.reduce((sum, { unanswered }) => sum + unanswered, 0)} unanswered, last ${killer.kills.slice(-3).map(({ part, backAfterMs }) => `${part} ${backAfterMs ?? '-'} ms`).join(', ')}`);
    }
  }
  stop = true;
  const lastBackAt = killer.lastBackAt;
  say(`the last part is back after ${killer.kills.length} kills; waiting for the cloud to come to rest`);
  const rest = await converged(site, books);
  await Promise.all([...working, watching]);
  const outcomes = await books.outcomes(accepted());
  say(rest.cleanAt === undefined ? 'the cloud did not come to rest' : `the cloud is at rest ${((rest.cleanAt - lastBackAt) / 1000).toFixed(1)} s after the last part was back`);

  // What is still there is deleted; then nothing at all may be left.
  const { body } = await api.insist('compute', 'GET', '/servers?all_tenants=1');
  const servers = (body.servers as { id: string; name: string }[]).filter(({ name }) => name.startsWith('chaos-'));
  // Servers of somebody else may stay.
  const others = new Set((body.servers as { id: string }[]).map(({ id }) => id).filter((id) => !servers.some((own) => own.id === id)));
  for (const { id } of servers) await api.insist('compute', 'DELETE', `/servers/${id}`);
  const { body: { floatingips } } = await api.insist('network', 'GET', '/floatingips');
  for (const { id, description } of floatingips as { id: string; description: string }[]) if (description.startsWith('chaos ')) await api.insist('network', 'DELETE', `/floatingips/${id}`);
  const empty = await converged(site, books);
  const result: Result = {
    options, site, kills: killer.kills, outcomes, unanswered: clients.reduce((sum, { unanswered }) => sum + unanswered, 0), refused: clients.reduce((sum, { refused }) => sum + refused, 0),
    floatingMoves: clients.reduce((sum, { floatingMoves }) => sum + floatingMoves, 0),
    seconds: (lastBackAt - began) / 1000, operationsRestMs: rest.operationsAt === undefined ? undefined : rest.operationsAt - lastBackAt,
    restMs: rest.cleanAt === undefined ? undefined : rest.cleanAt - lastBackAt, doubled: [...doubled], violations: rest.report?.violations ?? [],
    orphans: empty.report?.violations ?? [], unchecked: empty.report?.unchecked ?? [{ invariant: 'all', reason: 'the conductor does not answer' }],
    guestsLeft: guestProcesses(site).filter((id) => !others.has(id)).length, deadLetters: empty.report?.deadLetters ?? null,
    machine: `${cpus().length} x ${cpus()[0]!.model}, ${Math.round(totalmem() / 2 ** 30)} GiB; guests emulated (${readFileSync(join(site.state, 'site.json'), 'utf8').includes('"kvm"') ? 'kvm' : 'qemu'})`,
  };
  const { text, good } = renderResult(result);
  process.stdout.write(`\n${text}\n`);
  if (options.results) writeFileSync(options.results, text);
  await books.close();
  return good ? 0 : 1;
}

main().then((code) => process.exit(code), (error: unknown) => { process.stderr.write(`chaos: ${error instanceof Error ? error.stack : String(error)}\n`); process.exit(2); });
