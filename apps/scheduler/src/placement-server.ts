import { hostname } from 'node:os';
import { placementContract } from '@virga/contracts';
import { CloudError, unavailable, type Logger } from '@virga/core';
import { isConnectionLost, type Kysely } from '@virga/db';
import type { Handlers } from '@virga/rpc';
import { ServeContract } from '@virga/rpc/nest-transport';
import { Counter, type Registry } from 'prom-client';
import { claim } from './allocations/claim';
import { listAllocations, release, transfer } from './allocations/release';
import type { PlacementDb } from './db/tables';
import { HostView } from './hosts/host-view';
import { removeHost, reportHosts, setHostEnabled, setHostZones, type CapacityRules } from './hosts/report-host';

export interface PlacementServerOptions {
  db: Kysely<PlacementDb>;
  logger: Logger;
  metrics: Registry;
  rules: CapacityRules;
  viewMs: number;
}

type Placement = Handlers<typeof placementContract>;
type Input<K extends keyof Placement> = Parameters<Placement[K]>[0];

/** What the scheduler answers on the bus. */
@ServeContract(placementContract, { concurrency: 32 })
export class PlacementServer implements Placement {
  private readonly view: HostView;
  private readonly claims: Counter<'outcome'>;
  private readonly lostRaces: Counter;

  constructor(private readonly options: PlacementServerOptions) {
    const registers = [options.metrics];
    this.view = new HostView(options.db, options.viewMs);
    this.claims = new Counter({ name: 'virga_scheduler_claims_total', help: 'Claims by their outcome.', labelNames: ['outcome'], registers });
    this.lostRaces = new Counter({ name: 'virga_scheduler_lost_races_total', help: 'Hosts that were full when a claim came to them.', registers });
  }

  async claim(request: Input<'claim'>) {
    try {
      const claimed = await this.answer(() => claim(this.options.db, this.view, request, { lostRace: () => this.lostRaces.inc() }));
      this.claims.inc({ outcome: 'granted' });
      this.options.logger.info({ consumerId: request.consumerId, hostId: claimed.hostId }, 'host claimed');
      return claimed;
    } catch (error) {
      const refused = error instanceof CloudError && error.type === 'NoValidHost';
      this.claims.inc({ outcome: refused ? 'no_valid_host' : 'failed' });
      if (refused) this.options.logger.warn({ consumerId: request.consumerId, filters: (error.details as { filters: unknown }).filters }, error.message);
      throw error;
    }
  }

  async transfer({ from, to, onHost }: Input<'transfer'>) {
    const done = await this.answer(() => transfer(this.options.db, from, to, onHost));
    if (done?.givenBack) this.view.givenBack(done.givenBack.hostId, done.givenBack.resources);
    if (done) this.options.logger.info({ from, to }, 'claim transferred');
    return { transferred: done !== undefined };
  }

  async release({ consumerId }: Input<'release'>) {
    const given = await this.answer(() => release(this.options.db, consumerId));
    if (given) {
      this.view.givenBack(given.hostId, given.resources);
      this.options.logger.info({ consumerId, hostId: given.hostId }, 'claim released');
    }
    return { released: given !== undefined };
  }

  reportHost(report: Input<'reportHost'>) {
    return this.reportHosts({ hosts: [report] });
  }

  async reportHosts({ hosts }: Input<'reportHosts'>) {
    const noted = await this.answer(() => reportHosts(this.options.db, hosts, this.options.rules));
    for (const [index, host] of noted.entries()) this.view.reported(host, hosts[index]!.leaseMs);
    return {};
  }

  setHostEnabled({ hostId, enabled }: Input<'setHostEnabled'>) {
    return this.change(() => setHostEnabled(this.options.db, hostId, enabled));
  }

  setHostZones({ hosts }: Input<'setHostZones'>) {
    return this.change(() => setHostZones(this.options.db, hosts));
  }

  removeHost({ hostId }: Input<'removeHost'>) {
    return this.change(() => removeHost(this.options.db, hostId));
  }

  whoAnswers() {
    return Promise.resolve({ hostname: hostname() });
  }

  async hosts() {
    await this.answer(() => this.view.load());
    const hosts = await this.answer(() => this.view.all());
    return {
      hosts: hosts.map(({ hostId, hostname, availabilityZone, enabled, alive, inventory, capacity, used }) =>
        ({ hostId, hostname, availabilityZone, enabled, alive, inventory, capacity, used })),
    };
  }

  async allocations({ hostId }: Input<'allocations'>) {
    return { allocations: await this.answer(() => listAllocations(this.options.db, hostId)) };
  }

  private async change(work: () => Promise<void>): Promise<Record<string, never>> {
    await this.answer(work);
    this.view.invalidate();
    return {};
  }

  /** A database that is away is no fault of the request: it may be repeated. */
  private async answer<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isConnectionLost(error)) throw unavailable('The placement database is out of reach.', { cause: error });
      throw error;
    }
  }
}
