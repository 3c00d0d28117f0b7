import { writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { loadSite } from '../../deploy/src/load-site';
import { readOptions } from './options';
import { TrialCloud } from './trial-cloud';
import { TRIAL_TABLE, type Trial } from './trials';

const say = (text: string): void => { process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`); };
const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;

function render({ title, head, runs }: Trial): string {
  const good = runs.filter(({ wrong }) => wrong.length === 0).length;
  return [
    `## ${title}`, '', `${good} of ${runs.length} as they should be.`, '',
    row([...head, 'wrong']), row([...head, ''].map(() => '---')), ...runs.map(({ cells, wrong }) => row([...cells, wrong.join('; ')])), '',
  ].join('\n');
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  const cloud = new TrialCloud(loadSite({ root: process.cwd(), state: options.state, startedAt: Date.now() }), say);
  await cloud.prepare();
  const text = [
    '# Migration trials', '', `Command: \`npm run migration-trials -- ${process.argv.slice(2).join(' ')}\``, '',
    `${new Date().toISOString().slice(0, 16)}Z, ${cpus().length} x ${cpus()[0]!.model}, ${Math.round(totalmem() / 2 ** 30)} GiB, load ${loadavg().map((load) => load.toFixed(1)).join(' ')} at the start.`, '',
  ];
  let good = true;
  for (const name of options.only) {
    const trial = await TRIAL_TABLE[name](cloud, options).catch((error: unknown): Trial => ({ title: name, head: ['run'], runs: [{ cells: ['-'], wrong: [error instanceof Error ? error.message : String(error)] }] }));
    good &&= trial.runs.every(({ wrong }) => wrong.length === 0);
    text.push(render(trial));
    process.stdout.write(`\n${text.at(-1)!}\n`);
    if (options.results !== undefined) writeFileSync(options.results, text.join('\n'));
  }
  return good ? 0 : 1;
}

main().then((code) => process.exit(code), (error: unknown) => { process.stderr.write(`trials: ${error instanceof Error ? error.stack : String(error)}\n`); process.exit(2); });
