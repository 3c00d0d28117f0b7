import { OutboxRelay } from '@virga/db';
import { Conductor } from '../../apps/compute-api/src/conductor';
import { outboxPublisher } from '../../apps/compute-api/src/operations/publish-outbox';
import { LIVE_STATES } from '../../apps/compute-api/src/operations/operation';
import type { FakeLink } from '../../apps/compute-agent/src/virt/fake/fake-migrations';
import { SIMULATED_VERBS, type SimulatedVerb } from '../../apps/compute-agent/src/virt/fake/simulation';
import type { PlantedBug } from './planted-bugs';
import { Random } from './random';
import { simulatedBus } from './simulated-bus';
import { FLEET, PlayedHost } from './simulated-hosts';
import { SimulatedProcess, type FaultCounts, type FaultKind, type ProcessSpec } from './simulated-process';
import type { World } from './world';
import { begunInOrder, judge, settle, tidyUp } from './judge';
import { storm } from './storm';
import { watch } from './watch';

export interface Outcome {
  seed: number;
  /** What is not as it must be; empty when all is well. */
  wrong: string[];
  accepted: number;
  operations: number;
  /** Operations by kind and how they ended. */
  ends: Record<string, number>;
  repaired: number;
  faults: FaultCounts;
  statements: number;
  /** What was done in the database and when, as one number: equal for equal seeds. */
  course: string;
}

const HOSTS = 3;
/** What has died is followed sooner; of simulated time. */
const MOST_SECONDS_AWAY = 600;
/** Share of statements that go wrong where a schedule is to have one kind of fault above all. */
const FAVOURED_RATE = 0.03;
export const pause = (ms: number) => new Promise<void>((resolve) => { setTimeout(resolve, ms); });

/** What of one schedule judges and planted bugs may see. */
export class Stage {
  readonly counts: FaultCounts = {};
  readonly hosts: PlayedHost[];
  conductors: SimulatedProcess[] = [];
  /** By the name under which they own operations. */
  readonly owners = new Map<string, SimulatedProcess>();
  /** How often the reconciler had to take away what a host was left with. */
  repaired = 0;
  readonly failures: Partial<Record<SimulatedVerb, number>> = {};
  /** Violations that were seen while the schedule ran. */
  readonly seen: string[] = [];
  private api!: SimulatedProcess;
  private over = false;
  readonly rate: number;

  constructor(readonly world: World, readonly random: Random, readonly bug: PlantedBug) {
    this.rate = bug.favours ? FAVOURED_RATE : random.pick([0, 0.01, 0.03, 0.06]);
    const times = Object.fromEntries(SIMULATED_VERBS.map((verb) => [verb, [1, random.pick([20, 400, 5000])] as const]));
    const link: FakeLink = new Map();
    this.hosts = Array.from({ length: HOSTS }, (_, index) => new PlayedHost(world, index, { seed: `${random.below(1e9)}`, times, failures: this.failures }, link, bug.host));
  }

  begin(): void {
    const { random, bug } = this;
    this.startApi();
    for (let count = bug.favours === 'clockSkew' ? 2 : 1 + random.below(2); count > 0; count--) this.startConductor();
    for (const host of this.hosts) this.startHost(host, false);
    // Some clouds have hosts on which something never works.
    if (bug.refuses) for (const verb of bug.refuses) this.refuse(verb, 1);
    else if (random.chance(0.4)) this.refuse(random.pick(SIMULATED_VERBS), 1);
    if (random.chance(0.3)) for (const verb of SIMULATED_VERBS) this.failures[verb] ??= random.pick([0, 0.05, 0.3]);
  }

  refuse(verb: SimulatedVerb, share: number): void {
    this.failures[verb] = share;
    this.count('hostRefuses');
  }

  count(kind: FaultKind): void {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  private spec(name: string, crash: FaultKind, chance: number, within: number): ProcessSpec {
    const { random, counts, rate, bug: { favours } } = this;
    const skew = random.chance(favours === 'clockSkew' ? 1 : 0.4) ? random.below(20_000) - 10_000 : 0;
    if (skew !== 0) this.count('clockSkew');
    return { world: this.world, name, random: random.fork(), counts, rate, favours, crash, skew, ...(random.chance(favours === crash ? 1 : chance) && { crashAt: 1 + random.below(within) }) };
  }

  /** Something else takes the place of what has died, after a while. */
  private follow(process: SimulatedProcess, again: () => void): void {
    const wait = this.random.pick([10, 1000, 20_000]);
    process.onDeath(() => { this.world.outsider.run(() => setTimeout(() => { if (!this.over) again(); }, wait)); });
  }

  private startApi(): void {
    const { world } = this;
    const api = this.api = new SimulatedProcess(this.spec('compute-api', 'apiCrash', 0.3, 120));
    if (this.calm) api.calm = true;
    api.run(() => {
      const relay = new OutboxRelay(world.db, outboxPublisher(world.db, simulatedBus(world.broker.connect('compute-api'))), world.logger, 1000);
      relay.start();
      world.wakeApiRelay = () => relay.wake();
    });
    if (this.bug.outboxInMemory) api.onDeath(() => { void world.outsider.run(() => world.db.deleteFrom('outbox').execute()); });
    this.follow(api, () => this.startApi());
  }

  private startConductor(): void {
    const { world, bug } = this;
    const process = new SimulatedProcess(this.spec('conductor', 'conductorCrash', 0.6, 250));
    if (this.calm) process.calm = true;
    this.conductors = [...this.conductors.filter(({ dead }) => !dead), process];
    void process.run(async () => {
      const conductor = new Conductor({
        db: world.db, bus: simulatedBus(world.broker.connect('conductor')), logger: world.logger, hostname: 'c', defaultZone: 'nova', reconcileMs: 0, simulatedFleets: [FLEET],
        leaseMs: bug.leaseMs ?? 30_000, sweepMs: bug.sweepMs ?? (bug.blind ? 1e9 : 6000), deadHostGraceMs: 20_000, heartbeatIntervalMs: 10_000, hostLeaseMs: 35_000, ...(bug.workflows && { workflows: bug.workflows }),
      });
      this.owners.set(conductor.engine.owner, process);
      await conductor.start();
    });
    this.follow(process, () => this.startConductor());
  }

  private startHost(host: PlayedHost, booted: boolean): void {
    const { favours } = this.bug;
    const hostCrash = favours === 'hostCrash' || (favours !== 'agentCrash' && this.random.chance(0.5));
    const process = host.start(this.spec('agent', hostCrash ? 'hostCrash' : 'agentCrash', 0.5, 25), booted && !this.bug.staysOff);
    if (this.calm) process.calm = true;
    process.onDeath(() => { if (hostCrash) host.driver.losePower(); });
    this.follow(process, () => this.startHost(host, hostCrash));
  }

  calm = false;
  /** The storm is over: from now on nothing fails any more. */
  async quieten(): Promise<void> {
    this.calm = true;
    for (const process of [this.api, ...this.conductors]) process.calm = true;
    for (const host of this.hosts) host.calm();
    for (const verb of Object.keys(this.failures) as SimulatedVerb[]) delete this.failures[verb];
    for (let waited = 0; this.api.dead || this.conductors.every(({ dead }) => dead) || this.hosts.some(({ alive }) => !alive); waited++) {
      if (waited > MOST_SECONDS_AWAY) throw new Error('What has died in the schedule does not come back.');
      await pause(1000);
    }
  }

  /** A request of a user; a status of 0 when no answer came. */
  call(...request: Parameters<World['call']>): ReturnType<World['call']> {
    return new Promise((resolve) => {
      const { api } = this;
      if (api.dead) return resolve({ status: 0, body: null });
      const forget = api.onDeath(() => resolve({ status: 0, body: null }));
      void api.run(() => this.world.call(...request)).then((answer) => { forget(); resolve(answer); });
    });
  }

  end(): void {
    this.over = true;
    for (const process of [this.api, ...this.conductors]) process.spec.crash = undefined;
    this.api.kill();
    for (const process of this.conductors) process.kill();
    for (const host of this.hosts) host.end();
  }
}

const NO_BUG: PlantedBug = {};

/** One schedule: users act while messages, statements and processes fail; then calm, and the comparison. */
export async function runSchedule(world: World, seed: number, bug: PlantedBug = NO_BUG): Promise<Outcome> {
  const random = new Random(seed);
  world.seed(random.fork());
  world.time.restart();
  world.broker.purge();
  world.turns.courseSoFar();
  const before = world.turns.statements;
  return world.withoutPurge(() => world.outsider.run(async () => {
    const stage = new Stage(world, random.fork(), bug);
    world.turns.localClocks = bug.localClocks ?? false;
    world.turns.observe = watch(stage);
    world.placement.choose = (hosts) => (hosts.length === 0 ? undefined : random.pick(hosts));
    stage.begin();
    // Hosts are known before users come.
    await pause(1500);
    const accepted = await storm(stage, random.fork());
    await stage.quieten();
    const wrong = [...await settle(stage), ...stage.seen];
    if (wrong.length === 0) wrong.push(...await judge(stage));
    wrong.push(...begunInOrder(stage));
    const ended = await world.db.selectFrom('operations').groupBy(['kind', 'state']).orderBy('kind').orderBy('state').select(['kind', 'state', (eb) => eb.fn.countAll<number>().as('count')]).execute();
    const ends = Object.fromEntries(ended.map(({ kind, state, count }) => [`${kind} ${state}`, Number(count)]));
    if (bug !== NO_BUG || random.chance(0.3)) wrong.push(...await tidyUp(stage));
    stage.end();
    await wipe(world);
    return { seed, wrong, accepted, operations: Object.values(ends).reduce((sum, one) => sum + one, 0), ends, repaired: stage.repaired, faults: stage.counts, statements: world.turns.statements - before, course: world.turns.courseSoFar() };
  }));
}

const TABLES = ['operations', 'operation_steps', 'commands', 'outbox', 'instance_actions', 'instance_faults', 'instance_metadata', 'migrations', 'instances', 'quota_usages', 'hosts', 'services'] as const;

/** The next schedule begins with an empty world. */
async function wipe({ db, network, placement }: World): Promise<void> {
  for (const table of TABLES) await db.deleteFrom(table).execute();
  network.clear();
  placement.claims.clear();
  placement.hosts.clear();
  placement.log.length = 0;
}

export const liveOperations = ({ db }: World) => db.selectFrom('operations').select(['id', 'kind', 'state', 'phase', 'step', 'due_at', 'waiting_command']).where('state', 'in', [...LIVE_STATES]).execute();
