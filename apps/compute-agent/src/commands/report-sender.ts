import { errorMessage, systemClock, backoffMs, type Logger } from '@virga/core';
import type { CommandReport } from '@virga/contracts';
import type { Journal } from '../journal/journal';

/** Delivers reports until the conductor has taken each; order among instances does not matter. */
export class ReportSender {
  private readonly inFlight = new Map<string, Promise<void>>();
  private readonly stopping = new AbortController();

  constructor(private readonly send: (report: CommandReport) => Promise<unknown>, private readonly journal: Journal, private readonly logger: Logger) {}

  deliver(report: CommandReport): void {
    if (this.inFlight.has(report.commandId)) return;
    const delivery = this.untilTaken(report).finally(() => this.inFlight.delete(report.commandId));
    this.inFlight.set(report.commandId, delivery);
  }

  async stop(): Promise<void> {
    this.stopping.abort(new Error('stopping'));
    await Promise.all(this.inFlight.values());
  }

  private async untilTaken(report: CommandReport): Promise<void> {
    for (let attempt = 1; !this.stopping.signal.aborted; attempt++) {
      try {
        await this.send(report);
        await this.journal.delivered(report.commandId);
        return;
      } catch (error) {
        this.logger.debug({ reason: errorMessage(error), commandId: report.commandId, attempt }, 'report not taken yet');
        await systemClock.sleep(backoffMs({ attempts: 0, baseMs: 200, maxMs: 5000 }, attempt), this.stopping.signal).catch(() => undefined);
      }
    }
  }
}
