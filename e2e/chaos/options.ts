import { readNamed } from '../named-options';

/** What a run is to do; see `--help`. */
export interface ChaosOptions {
  state: string;
  kills: number;
  operations: number;
  clients: number;
  /** After which no more is killed, whatever was asked. */
  minutes: number;
  seed: string;
  /** Where the table is written, too. */
  results?: string;
}

export const USAGE = `npm run chaos -- [options]: kills parts of a cloud of its own at random while clients use it, and looks for what is left
  --kills N        at least that many kill -9 (default 20)
  --operations N   at least that many accepted requests (default 40)
  --minutes N      stop then, with what there is (default 60)
  --clients N      that work at once (default 6)
  --seed S         repeats what was chosen, though not the machine's timing (default: the time)
  --hosts N        hypervisor hosts (default 2)
  --state DIR      of the cloud (default /var/tmp/virga-chaos)
  --results FILE   writes the table there, too
  --keep           leaves the cloud running`;

export function readOptions(argv: readonly string[]): ChaosOptions {
  const { text, number } = readNamed(argv, ['--kills', '--operations', '--clients', '--minutes', '--seed', '--hosts', '--state', '--results'], USAGE);
  const results = text('--results');
  return {
    state: text('--state') ?? '/var/tmp/virga-chaos', kills: number('--kills', 20), operations: number('--operations', 40), clients: number('--clients', 6), minutes: number('--minutes', 60),
    seed: text('--seed') ?? String(Date.now()), ...(results && { results }),
  };
}
