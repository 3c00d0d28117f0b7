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

export function readOptions(argv: string[]): ChaosOptions {
  const given = new Map<string, string>();
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '--keep') continue;
    const value = argv[++at];
    if (!['--kills', '--operations', '--clients', '--minutes', '--seed', '--hosts', '--state', '--results'].includes(word) || value === undefined) throw new Error(`unknown or without value: ${word}\n${USAGE}`);
    given.set(word, value);
  }
  const number = (name: string, fallback: number): number => {
    const value = Number(given.get(name) ?? fallback);
    if (!Number.isInteger(value) || value < 1) throw new Error(`${name} must be a whole number above 0.`);
    return value;
  };
  const results = given.get('--results');
  return {
    state: given.get('--state') ?? '/var/tmp/virga-chaos', kills: number('--kills', 20), operations: number('--operations', 40), clients: number('--clients', 6), minutes: number('--minutes', 60),
    seed: given.get('--seed') ?? String(Date.now()), ...(results && { results }),
  };
}
