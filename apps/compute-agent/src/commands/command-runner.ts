import { CloudError, conflict, unavailable, withLogFields, type Logger } from '@virga/core';
import { HOST_VERBS, type CommandReport, type HostCommand, type HostVerb, type HostVerbArgs } from '@virga/contracts';
import { Value } from '@sinclair/typebox/value';
import type { Journal } from '../journal/journal';
import { outlastAbsence } from './outlast-absence';
import { tellFailure } from './tell-failure';

/** One function for each verb; what it returns becomes the report's result. */
export type VerbTable = {
  [V in HostVerb]: (instanceId: string, args: HostVerbArgs<V>, signal: AbortSignal) => Promise<Record<string, unknown>>;
};

const cancelled = () => new CloudError('conflict', 'Cancelled.');
const isVerb = (verb: string): verb is HostVerb => Object.hasOwn(HOST_VERBS, verb);

/**
 * Runs commands: one at a time for each instance, journal before action, a repeat is answered from the journal, an
 * older generation is refused, and a newer one ends what is still running for the instance.
 */
export class CommandRunner {
  private readonly running = new Map<string, { commandId: string; generation: number; abort: AbortController }>();
  private readonly lines = new Map<string, Promise<void>>();
  /** Commands that are on their way into the journal. */
  private readonly accepting = new Map<string, Promise<void>>();
  /** The last of them by instance: an older generation must not be judged while a newer one is still being written. */
  private readonly lastAccepting = new Map<string, Promise<void>>();
  /** Commands that are to end before they begin. */
  private readonly unwanted = new Set<string>();
  private stopping = false;

  constructor(
    private readonly hostId: string,
    private readonly journal: Journal,
    private readonly verbs: VerbTable,
    private readonly deliver: (report: CommandReport) => void,
    private readonly logger: Logger,
    private readonly ended: (verb: string, ok: boolean, seconds: number) => void = () => undefined,
    /** How long parts of the host that are away are waited for, ms. */
    private readonly patienceMs?: number,
  ) {}

  /** Resolves once the command is in the journal: from then on it is ours, whatever happens to this process. */
  accept(command: HostCommand): Promise<void> {
    const { commandId, instanceId } = command;
    const known = this.accepting.get(commandId);
    if (known) return known;
    const before = this.lastAccepting.get(instanceId)?.catch(() => undefined) ?? Promise.resolve();
    const taken = before.then(() => this.take(command)).finally(() => {
      this.accepting.delete(commandId);
      if (this.lastAccepting.get(instanceId) === taken) this.lastAccepting.delete(instanceId);
    });
    this.accepting.set(commandId, taken);
    this.lastAccepting.set(instanceId, taken);
    return taken;
  }

  /** At start: what was begun is finished, what was not reported is reported. */
  recover(): void {
    for (const report of this.journal.undelivered()) this.deliver(report);
    for (const command of this.journal.unfinished()) this.start(command);
  }

  /** True while a command of the instance runs: changes of its power state are the command's own. */
  isBusy(instanceId: string): boolean {
    return this.lines.has(instanceId);
  }

  /** The newest fencing token seen for the instance; 0 when none was. */
  generation(instanceId: string): number {
    return this.journal.generation(instanceId);
  }

  /**
   * Does `work` on an instance while no command of it runs, if `generation` is still the newest; conflict otherwise.
   * Commands that come meanwhile wait their turn. Nothing is written down: whoever decided it looks again.
   */
  async exclusively(instanceId: string, generation: number, work: () => Promise<unknown>): Promise<void> {
    if (this.stopping) throw unavailable('The agent is stopping.');
    if (this.lines.has(instanceId)) throw conflict('The host is at work on the instance.');
    const newest = this.generation(instanceId);
    if (newest !== generation) throw conflict(`The host knows generation ${newest} of the instance, and ${generation} was judged.`);
    const done = work();
    const line = done.then(() => undefined, () => undefined);
    this.lines.set(instanceId, line);
    void line.finally(() => { if (this.lines.get(instanceId) === line) this.lines.delete(instanceId); });
    await done;
  }

  /** Ends a command that runs or waits its turn; it is reported as failed, unless its verb ends well all the same. */
  cancel(instanceId: string, commandId: string): void {
    const current = this.running.get(instanceId);
    if (current?.commandId === commandId) current.abort.abort(cancelled());
    else {
      const known = this.journal.find(commandId);
      if (known && !known.report && this.lines.has(instanceId)) this.unwanted.add(commandId);
    }
  }

  /** Takes nothing new and waits for what runs; what does not end in time is finished by the next start. */
  async stop(timeoutMs: number): Promise<void> {
    this.stopping = true;
    await Promise.race([Promise.all(this.lines.values()), new Promise((resolve) => setTimeout(resolve, timeoutMs).unref())]);
  }

  private async take(command: HostCommand): Promise<void> {
    const known = this.journal.find(command.commandId);
    if (known) {
      if (known.report) this.deliver(known.report);
      return;
    }
    const newest = this.journal.generation(command.instanceId);
    if (command.generation < newest) {
      this.logger.warn({ commandId: command.commandId, generation: command.generation, newest }, 'command of an older generation refused');
      return;
    }
    await this.journal.begin(command);
    this.start(command);
  }

  private start(command: HostCommand): void {
    if (this.stopping) return;
    const { instanceId, generation } = command;
    const current = this.running.get(instanceId);
    if (current && current.generation < generation) current.abort.abort(new CloudError('conflict', 'Superseded by a newer operation.'));
    const line = (this.lines.get(instanceId) ?? Promise.resolve()).then(() => this.run(command));
    this.lines.set(instanceId, line);
    void line.finally(() => { if (this.lines.get(instanceId) === line) this.lines.delete(instanceId); });
  }

  private async run(command: HostCommand): Promise<void> {
    const { instanceId, operationId, commandId, generation, verb, requestId } = command;
    await withLogFields({ operationId, instanceId, ...(requestId === undefined ? {} : { requestId }) }, async () => {
      const abort = new AbortController();
      this.running.set(instanceId, { commandId, generation, abort });
      const began = Date.now();
      const report: CommandReport = { hostId: this.hostId, commandId, operationId, instanceId, generation, ok: true };
      try {
        if (this.unwanted.delete(commandId)) throw cancelled();
        if (generation < this.journal.generation(instanceId)) throw new CloudError('conflict', 'Superseded by a newer operation.');
        report.result = await this.untilHostAnswers(command, abort.signal);
        this.logger.info({ verb, ms: Date.now() - began }, 'command done');
      } catch (error) {
        report.ok = false;
        report.error = tellFailure(error);
        this.logger.warn({ verb, err: error, ms: Date.now() - began }, 'command failed');
      } finally {
        this.running.delete(instanceId);
      }
      this.ended(isVerb(verb) ? verb : 'unknown', report.ok, (Date.now() - began) / 1000);
      // What the journal does not take is told all the same; after a restart the command is run again, which verbs bear.
      await this.journal.end(report).catch((error: unknown) => this.logger.error({ err: error, verb }, 'the journal did not take how the command ended'));
      this.deliver(report);
    });
  }

  /**
   * A hypervisor or a switch that is just being restarted is waited for: to whoever sent the command it would look as if the
   * instance were at fault. Verbs bear being begun again.
   */
  private untilHostAnswers(command: HostCommand, signal: AbortSignal): Promise<Record<string, unknown>> {
    return outlastAbsence(() => this.perform(command, signal), { patienceMs: this.patienceMs, signal, logger: this.logger, what: command.verb });
  }

  private perform({ verb, args, instanceId }: HostCommand, signal: AbortSignal): Promise<Record<string, unknown>> {
    if (!isVerb(verb)) throw new CloudError('notImplemented', `This host does not know the verb ${verb.slice(0, 40)}.`);
    if (!Value.Check(HOST_VERBS[verb], args)) throw new CloudError('badRequest', `The arguments of ${verb} are malformed.`);
    const run = this.verbs[verb] as (id: string, given: unknown, abort: AbortSignal) => Promise<Record<string, unknown>>;
    return run(instanceId, args, signal);
  }
}
