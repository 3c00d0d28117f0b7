import { readNamed } from '../named-options';

export const TRIALS = ['busy', 'silent', 'reset', 'kills', 'shuttle', 'drain'] as const;
export type TrialName = (typeof TRIALS)[number];

export interface TrialOptions {
  state: string;
  only: readonly TrialName[];
  /** Runs of each disturbance. */
  count: number;
  /** Migrations of the shuttle, there and back together. */
  shuttles: number;
  /** Parts that are killed. */
  parts: readonly string[];
  results?: string;
}

/** Parts of which the death in mid-migration is tried; source and destination by their role in it. */
export const KILLED = ['source-agent', 'destination-agent', 'source-libvirtd', 'destination-libvirtd', 'conductor', 'rabbitmq'] as const;

export const USAGE = `npm run migration-trials -- [options]: live migrations of real guests under disturbances, on a cloud of its own
  --only LIST      of busy,silent,reset,kills,shuttle,drain (default all):
                   busy     a guest faster than a 1 Gb/s link: pre-copy alone for 40 s, then automatic migrations
                   silent   the source's link is down for 3 s after the switch to post-copy
                   reset    packets to the destination are answered with TCP resets for 3 s after the switch
                   kills    kill -9 of each part in mid-migration
                   shuttle  one guest there and back under ping, a TCP stream and disk writes
                   drain    a host with six guests is drained and restored
  --count N        runs of each disturbance (default 10)
  --shuttles N     migrations of the shuttle (default 100)
  --parts LIST     parts that are killed (default ${KILLED.join(',')})
  --state DIR      of the cloud (default /var/tmp/virga-trials); --name, --port-offset as with up
  --results FILE   writes the tables there, too
  --keep           leaves the cloud running`;

export function readOptions(argv: readonly string[]): TrialOptions {
  const { text, number, list } = readNamed(argv, ['--only', '--count', '--shuttles', '--parts', '--state', '--name', '--port-offset', '--results'], USAGE);
  const results = text('--results');
  return {
    state: text('--state') ?? '/var/tmp/virga-trials', only: list('--only', TRIALS), count: number('--count', 10), shuttles: number('--shuttles', 100), parts: list('--parts', KILLED),
    ...(results !== undefined && { results }),
  };
}
