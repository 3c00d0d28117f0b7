import type { Listener } from '../process/listeners';

/** A process (with its children) that `up` starts and keeps running. */
export interface Part {
  name: string;
  group: 'store' | 'network' | 'service' | 'host' | 'upkeep';
  /** Host name for the parts of a host. */
  host?: string;
  /** Parts that must be healthy before this one is started. */
  after: string[];
  /** Shell lines that end in an `exec` of the program. */
  script: string;
  /** Environment, kept in a file of mode 0600 that the script reads; secrets belong here. */
  env?: Record<string, string>;
  /** Files whose content decides, besides script and env, whether a running part is out of date. */
  files?: string[];
  /** Sockets that outlive the process, so that a restart refuses nobody. */
  listen?: Listener[];
  /** Any number of it may run at once: a restart starts the new one before the old one ends. */
  relievable?: boolean;
  /** Undefined when healthy, otherwise a sentence. With a PID: whether that process is. */
  health: (pid?: number) => Promise<string | undefined>;
  /** How long the first start may take. */
  startTimeoutMs: number;
  /** After SIGTERM, before SIGKILL. */
  stopTimeoutMs: number;
  /** The same, when another is there in its place and it may finish what it has begun. */
  leaveTimeoutMs?: number;
}
