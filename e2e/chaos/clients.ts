import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Api } from './api';
import type { Random } from './random';

/** A request that a service has accepted. */
export interface Accepted {
  kind: string;
  serverId: string;
  requestId: string;
  at: number;
}

export interface Ground {
  networkId: string;
  flavorId: string;
  imageIds: readonly (readonly [string, number])[];
}

/** How long a client waits for an end that does not come before it goes on; what became of it is judged at the end of the run. */
const WAIT_MS = 240_000;

/** What may be asked of a server in which state, how likely, and as which state it ends. */
const ACTIONS: Record<string, readonly (readonly [readonly [string, unknown, string], number])[]> = {
  ACTIVE: [
    [['os-stop', { 'os-stop': null }, 'SHUTOFF'], 3],
    [['reboot hard', { reboot: { type: 'HARD' } }, 'ACTIVE'], 2],
    [['reboot soft', { reboot: { type: 'SOFT' } }, 'ACTIVE'], 1],
    [['pause', { pause: null }, 'PAUSED'], 2],
    [['suspend', { suspend: null }, 'SUSPENDED'], 2],
    [['delete', undefined, ''], 4],
  ],
  SHUTOFF: [[['os-start', { 'os-start': null }, 'ACTIVE'], 4], [['delete', undefined, ''], 2]],
  PAUSED: [[['unpause', { unpause: null }, 'ACTIVE'], 4], [['delete', undefined, ''], 1]],
  SUSPENDED: [[['resume', { resume: null }, 'ACTIVE'], 4], [['delete', undefined, ''], 1]],
  ERROR: [[['delete', undefined, ''], 1]],
};

/** One user with one server at a time: makes it, acts on it, deletes it, begins again, until it is told to stop. */
export class ChaosClient {
  readonly accepted: Accepted[] = [];
  /** Requests that got no answer, or an answer of a service in trouble: nothing was promised. */
  unanswered = 0;
  refused = 0;
  waitedInVain = 0;
  private count = 0;

  constructor(private readonly name: string, private readonly api: Api, private readonly ground: Ground, private readonly random: Random, private readonly stopped: () => boolean) {}

  async run(): Promise<void> {
    while (!this.stopped()) {
      const id = await this.create();
      if (id === undefined) { await sleep(500); continue; }
      // Some are deleted while they are built: the deletion wins.
      if (!this.random.chance(0.15)) await this.settled(id);
      else await sleep(this.random.int(3000));
      await this.use(id);
    }
  }

  private async use(id: string): Promise<void> {
    for (;;) {
      if (this.stopped()) return;
      const server = await this.look(id);
      if (server === undefined) return;
      const choices = ACTIONS[server.status] ?? [[['delete', undefined, ''], 1]];
      const [kind, body] = this.random.pick(choices);
      const answer = kind === 'delete'
        ? await this.api.request('compute', 'DELETE', `/servers/${id}`)
        : await this.api.request('compute', 'POST', `/servers/${id}/action`, body);
      if (this.note(kind, id, answer)) await this.settled(id);
      else await sleep(500);
    }
  }

  private async create(): Promise<string | undefined> {
    const { networkId, flavorId, imageIds } = this.ground;
    const name = `${this.name}-${++this.count}`;
    const answer = await this.api.request('compute', 'POST', '/servers', {
      server: { name, imageRef: this.random.pick(imageIds), flavorRef: flavorId, networks: [{ uuid: networkId }], config_drive: this.random.chance(0.3) },
    });
    if (answer?.status === 202) {
      const id = answer.body.server.id as string;
      this.note('create', id, answer);
      return id;
    }
    this.note('create', '', answer);
    if (answer) return undefined;
    // The answer may be lost on its way, and the server made.
    const { body } = await this.api.insist('compute', 'GET', `/servers?name=${encodeURIComponent(`^${name}$`)}`);
    return body.servers?.[0]?.id as string | undefined;
  }

  private note(kind: string, serverId: string, answer: Answer | undefined): boolean {
    if (answer && answer.status < 300 && answer.requestId) {
      this.accepted.push({ kind, serverId, requestId: answer.requestId, at: Date.now() });
      return true;
    }
    if (!answer || answer.status >= 500) this.unanswered++;
    else this.refused++;
    return false;
  }

  private async look(id: string): Promise<{ status: string; 'OS-EXT-STS:task_state': string | null } | undefined> {
    const answer = await this.api.insist('compute', 'GET', `/servers/${id}`);
    return answer.status === 200 ? answer.body.server : undefined;
  }

  /** Waits until nothing is under way on the server. */
  private async settled(id: string): Promise<void> {
    const end = Date.now() + WAIT_MS;
    while (Date.now() < end) {
      const server = await this.look(id);
      if (!server || (server['OS-EXT-STS:task_state'] === null && server.status !== 'BUILD')) return;
      if (this.stopped()) return;
      await sleep(400);
    }
    this.waitedInVain++;
  }
}
