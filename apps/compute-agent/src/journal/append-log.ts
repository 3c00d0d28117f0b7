import { open, readFile, rename, type FileHandle } from 'node:fs/promises';

interface Waiting {
  line: string;
  done: () => void;
  failed: (error: unknown) => void;
}

/**
 * An append-only file of JSON lines, each on disk before its caller goes on. Those that come while the disk is busy
 * share the next write and its sync, so that many writers cost few syncs.
 */
export class AppendLog<T extends object> {
  private waiting: Waiting[] = [];
  private flushing: Promise<void> | undefined;

  private constructor(private readonly file: FileHandle) {}

  /**
   * Reads what is there, writes anew what `digest` makes of it, and opens that for more. A torn last line (a crash in
   * mid-write) was never promised to anybody.
   */
  static async open<T extends object>(path: string, digest: (records: T[]) => readonly T[]): Promise<AppendLog<T>> {
    const content = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? '' : Promise.reject(error)));
    const records = content.split('\n').flatMap((line): T[] => {
      try { return [JSON.parse(line) as T]; } catch { return []; }
    });
    const fresh = `${path}.new`;
    const file = await open(fresh, 'w', 0o600);
    await file.write(digest(records).map((record) => `${JSON.stringify(record)}\n`).join(''));
    await file.sync();
    await rename(fresh, path);
    return new AppendLog<T>(file);
  }

  /** Resolves when the record is on disk; rejects when the disk refuses it. */
  append(record: T): Promise<void> {
    return new Promise((done, failed) => {
      this.waiting.push({ line: `${JSON.stringify(record)}\n`, done, failed });
      this.flushing ??= this.flush();
    });
  }

  async close(): Promise<void> {
    await this.flushing;
    await this.file.close();
  }

  private async flush(): Promise<void> {
    // What is appended in one turn of the event loop belongs together.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) {
      const batch = this.waiting;
      this.waiting = [];
      try {
        await this.file.write(batch.map(({ line }) => line).join(''));
        await this.file.datasync();
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.flushing = undefined;
  }
}
