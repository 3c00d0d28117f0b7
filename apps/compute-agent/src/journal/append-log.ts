import { open, readFile, rename, rm, type FileHandle } from 'node:fs/promises';

interface Waiting {
  line: string;
  done: () => void;
  failed: (error: unknown) => void;
}

/** Room that the file has ahead of its records, bytes: some thousand of them. */
const AHEAD = 1 << 20;
/** How long after the disk refused more room it is asked again, ms. */
const ASK_AGAIN_MS = 30_000;

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * An append-only file of JSON lines, each on disk before its caller goes on. Those that come while the disk is busy
 * share the next write and its sync, so that many writers cost few syncs. Behind the records the file has room of its own
 * (zeros), because guests and images fill disks: a host that cannot write down what it shall take away could never be
 * emptied.
 */
export class AppendLog<T extends object> {
  private waiting: Waiting[] = [];
  private flushing: Promise<void> | undefined;
  private refusedAt = 0;

  /** @param length of the records, bytes @param room size of the file, bytes */
  private constructor(private readonly file: FileHandle, private length: number, private room: number) {}

  /**
   * Reads what is there, writes anew what `digest` makes of it, and opens that for more; on a full disk the old file is
   * gone on with as it is. A torn last line (a crash in mid-write) was never promised to anybody.
   */
  static async open<T extends object>(path: string, digest: (records: T[]) => readonly T[]): Promise<AppendLog<T>> {
    const content = await readFile(path).catch((error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? Buffer.alloc(0) : Promise.reject(error)));
    const whole = content.lastIndexOf('\n') + 1;
    const records = content.toString('utf8', 0, whole).split('\n').flatMap((line): T[] => {
      try { return [JSON.parse(line) as T]; } catch { return []; }
    });
    const bytes = Buffer.from(digest(records).map((record) => `${JSON.stringify(record)}\n`).join(''));
    const fresh = `${path}.new`;
    try {
      const file = await open(fresh, 'w', 0o600);
      try {
        await writeAll(file, Buffer.concat([bytes, Buffer.alloc(AHEAD)]), 0);
        await file.sync();
      } catch (error) {
        await file.close();
        throw error;
      }
      await rename(fresh, path);
      return new AppendLog<T>(file, bytes.length, bytes.length + AHEAD);
    } catch (error) {
      await rm(fresh, { force: true });
      if (!isFull(error) || content.length === 0) throw error;
      const file = await open(path, 'r+');
      await writeAll(file, Buffer.alloc(content.length - whole), whole);
      return new AppendLog<T>(file, whole, content.length);
    }
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
        await this.write(Buffer.from(batch.map(({ line }) => line).join('')));
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.flushing = undefined;
  }

  private async write(bytes: Buffer): Promise<void> {
    if (this.length + bytes.length > this.room - AHEAD / 2 && Date.now() - this.refusedAt > ASK_AGAIN_MS) await this.makeRoom();
    try {
      await writeAll(this.file, bytes, this.length);
      await this.file.datasync();
      this.length += bytes.length;
      this.room = Math.max(this.room, this.length);
    } catch (error) {
      await this.wipe();
      throw error;
    }
  }

  /** Half of a batch must not stay: the next records would be written over its beginning, and its end be read as one. */
  private async wipe(): Promise<void> {
    await this.file.truncate(this.room).catch(() => undefined);
    await writeAll(this.file, Buffer.alloc(this.room - this.length), this.length).catch(() => undefined);
  }

  private async makeRoom(): Promise<void> {
    try {
      await writeAll(this.file, Buffer.alloc(AHEAD), this.room);
      this.room += AHEAD;
    } catch {
      this.refusedAt = Date.now();
      await this.file.truncate(this.room).catch(() => undefined);
    }
  }
}

/** A disk that is nearly full takes a part and says so; the rest is refused then. */
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
