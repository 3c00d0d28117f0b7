import { open, readFile, rename, type FileHandle } from 'node:fs/promises';
import type { CommandReport, HostCommand } from '@virga/contracts';

/** A command as the journal knows it. */
export interface JournalEntry {
  command: HostCommand;
  /** Set once the command has ended. */
  report?: CommandReport;
  /** True once the conductor has taken the report. */
  delivered: boolean;
}

type Record_ =
  | { kind: 'begin'; command: HostCommand }
  | { kind: 'end'; report: CommandReport }
  | { kind: 'delivered'; commandId: string }
  | { kind: 'generation'; instanceId: string; generation: number };

/** Ended and delivered commands that are remembered, so that a late repeat is answered and not run again. */
const REMEMBERED = 2000;

/**
 * The agent's durable memory: an append-only file of JSON lines, each on disk before its caller goes on. What it has
 * to do is written before it is done; a torn last line (a crash in mid-write) was never promised to anybody.
 */
export class Journal {
  private readonly entries = new Map<string, JournalEntry>();
  private readonly generations = new Map<string, number>();
  private writing: Promise<void> = Promise.resolve();

  private constructor(private readonly file: FileHandle) {}

  /** Reads what is there, writes it anew without what is no longer needed, and opens it for more. */
  static async open(path: string): Promise<Journal> {
    const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? '' : Promise.reject(error)));
    const records = content.split('\n').flatMap((line): Record_[] => {
      try { return [JSON.parse(line) as Record_]; } catch { return []; }
    });
    const fresh = `${path}.new`;
    const journal = new Journal(await open(fresh, 'w', 0o600));
    for (const record of records) journal.apply(record);
    journal.forgetOld();
    await journal.file.write(journal.snapshot().map((record) => `${JSON.stringify(record)}\n`).join(''));
    await journal.file.sync();
    await rename(fresh, path);
    return journal;
  }

  find(commandId: string): JournalEntry | undefined {
    return this.entries.get(commandId);
  }

  /** The newest fencing token seen for the instance; 0 at first. */
  generation(instanceId: string): number {
    return this.generations.get(instanceId) ?? 0;
  }

  unfinished(): HostCommand[] {
    return [...this.entries.values()].filter(({ report }) => report === undefined).map(({ command }) => command);
  }

  undelivered(): CommandReport[] {
    return [...this.entries.values()].flatMap(({ report, delivered }) => (report && !delivered ? [report] : []));
  }

  begin(command: HostCommand): Promise<void> {
    return this.append({ kind: 'begin', command });
  }

  end(report: CommandReport): Promise<void> {
    return this.append({ kind: 'end', report });
  }

  delivered(commandId: string): Promise<void> {
    return this.append({ kind: 'delivered', commandId });
  }

  async close(): Promise<void> {
    await this.writing;
    await this.file.close();
  }

  private append(record: Record_): Promise<void> {
    this.writing = this.writing.then(async () => {
      await this.file.write(`${JSON.stringify(record)}\n`);
      await this.file.datasync();
      this.apply(record);
    });
    return this.writing;
  }

  private apply(record: Record_): void {
    if (record.kind === 'begin') {
      const { instanceId, generation, commandId } = record.command;
      this.entries.set(commandId, { command: record.command, delivered: false });
      this.raise(instanceId, generation);
    } else if (record.kind === 'end') {
      const entry = this.entries.get(record.report.commandId);
      if (entry) entry.report = record.report;
    } else if (record.kind === 'delivered') {
      const entry = this.entries.get(record.commandId);
      if (entry) entry.delivered = true;
    } else {
      this.raise(record.instanceId, record.generation);
    }
  }

  private raise(instanceId: string, generation: number): void {
    this.generations.set(instanceId, Math.max(generation, this.generation(instanceId)));
  }

  private forgetOld(): void {
    const done = [...this.entries].filter(([, entry]) => entry.delivered);
    for (const [commandId] of done.slice(0, Math.max(0, done.length - REMEMBERED))) this.entries.delete(commandId);
  }

  private snapshot(): Record_[] {
    const generations = [...this.generations].map(([instanceId, generation]): Record_ => ({ kind: 'generation', instanceId, generation }));
    const commands = [...this.entries].flatMap(([commandId, { command, report, delivered }]): Record_[] => [
      { kind: 'begin', command },
      ...(report ? [{ kind: 'end', report } as const] : []),
      ...(delivered ? [{ kind: 'delivered', commandId } as const] : []),
    ]);
    return [...generations, ...commands];
  }
}
