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
  externalNetworkId: string;
}

/** How long a client waits for an end that does not come before it goes on; what became of it is judged at the end of the run. */
const WAIT_MS = 240_000;

type Choice = (client: ChaosClient, id: string) => Promise<Answer | undefined>;
const act = (body: unknown): Choice => ({ api }, id) => api.request('compute', 'POST', `/servers/${id}/action`, body);

/** What a client may do to a server, by the name under which it is counted. */
const CHOICES: Record<string, Choice> = {
  'os-stop': act({ 'os-stop': null }), 'os-start': act({ 'os-start': null }),
  'reboot hard': act({ reboot: { type: 'HARD' } }), 'reboot soft': act({ reboot: { type: 'SOFT' } }),
  pause: act({ pause: null }), unpause: act({ unpause: null }), suspend: act({ suspend: null }), resume: act({ resume: null }),
  'live migrate': act({ 'os-migrateLive': { host: null, block_migration: 'auto' } }),
  rebuild: ({ api, ground, random }, id) => api.request('compute', 'POST', `/servers/${id}/action`, { rebuild: { imageRef: random.pick(ground.imageIds) } }),
  'attach card': ({ api, ground }, id) => api.request('compute', 'POST', `/servers/${id}/os-interface`, { interfaceAttachment: { net_id: ground.networkId } }),
  'detach card': async ({ api }, id) => {
    const { body } = await api.insist('compute', 'GET', `/servers/${id}/os-interface`);
    const [, second] = (body.interfaceAttachments ?? []) as { port_id: string }[];
    return second && api.request('compute', 'DELETE', `/servers/${id}/os-interface/${second.port_id}`);
  },
  'floating IP': (client, id) => client.takeFloatingIp(id),
  delete: ({ api }, id) => api.request('compute', 'DELETE', `/servers/${id}`),
};

/** What is asked of a server in which state, and how likely. */
const ACTIONS: Record<string, readonly (readonly [string, number])[]> = {
  ACTIVE: [
    ['os-stop', 3], ['reboot hard', 2], ['reboot soft', 1], ['pause', 2], ['suspend', 2], ['live migrate', 4], ['rebuild', 2], ['attach card', 2], ['detach card', 2],
    ['floating IP', 2], ['delete', 4],
  ],
  SHUTOFF: [['os-start', 4], ['rebuild', 1], ['delete', 2]],
  PAUSED: [['unpause', 4], ['delete', 1]],
  SUSPENDED: [['resume', 4], ['delete', 1]],
  ERROR: [['delete', 1]],
};

/** One user with one server at a time: makes it, acts on it, deletes it, begins again, until it is told to stop. */
export class ChaosClient {
  readonly accepted: Accepted[] = [];
  /** Requests that got no answer, or an answer of a service in trouble: nothing was promised. */
  unanswered = 0;
  refused = 0;
  waitedInVain = 0;
  /** How often its floating IP got another port: done when it is answered, so no operation stands for it. */
  floatingMoves = 0;
  private floatingId: string | undefined;
  private count = 0;

  constructor(private readonly name: string, readonly api: Api, readonly ground: Ground, readonly random: Random, private readonly stopped: () => boolean) {}

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
      const kind = this.random.pick(ACTIONS[server.status] ?? ACTIONS.ERROR!);
      const answer = await CHOICES[kind]!(this, id);
      // There was nothing to be asked, or it was done at once.
      if (kind === 'floating IP' || (kind === 'detach card' && answer === undefined)) { await sleep(300); continue; }
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

  /** Has the client's floating IP lead to a server, from wherever it led to. */
  async takeFloatingIp(id: string): Promise<Answer | undefined> {
    const { body } = await this.api.insist('compute', 'GET', `/servers/${id}/os-interface`);
    const [first] = (body.interfaceAttachments ?? []) as { port_id: string }[];
    if (!first) return undefined;
    if (this.floatingId === undefined) {
      const made = await this.api.request('network', 'POST', '/floatingips', { floatingip: { floating_network_id: this.ground.externalNetworkId, description: `chaos ${this.name}` } });
      if (made?.status !== 201) return made;
      this.floatingId = made.body.floatingip.id as string;
    }
    const moved = await this.api.request('network', 'PUT', `/floatingips/${this.floatingId}`, { floatingip: { port_id: first.port_id } });
    if (moved?.status === 200) this.floatingMoves++;
    else if (!moved || moved.status >= 500) this.unanswered++;
    else this.refused++;
    return moved;
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
