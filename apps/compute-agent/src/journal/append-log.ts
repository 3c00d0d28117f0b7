import { open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises';

interface Waiting {
  line: string;
  done: () => void;
  failed: (error: unknown) => void;
}

/** Room that is kept for records on a disk that guests and images have filled, bytes: some thousand records. */
const RESERVE = 1 << 20;
/** How long after it was used up it is tried to be kept again, ms. */
const RESERVE_AGAIN_MS = 30_000;

const isFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '');

/**
 * An append-only file of JSON lines, each on disk before its caller goes on. Those that come while the disk is busy
 * share the next write and its sync, so that many writers cost few syncs. Beside it lies a file of zeros, which gives its
 * room when the disk is full: a host that cannot write down what it shall take away could never be emptied.
 */
export class AppendLog<T extends object> {
  private waiting: Waiting[] = [];
  private flushing: Promise<void> | undefined;
  private reservedAt = 0;

  /** @param length what is whole of the file, bytes */
  private constructor(private readonly file: FileHandle, private length: number, private readonly reserve: string) {}

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
    const reserve = `${path}.reserve`;
    const bytes = Buffer.from(digest(records).map((record) => `${JSON.stringify(record)}\n`).join(''));
    await rm(fresh, { force: true });
    const file = await writeNew(fresh, bytes).catch(async (error: unknown) => {
      if (!isFull(error)) throw error;
      await rm(reserve, { force: true });
      return writeNew(fresh, bytes);
    });
    await rename(fresh, path);
    const log = new AppendLog<T>(file, bytes.length, reserve);
    await log.keepReserve();
    return log;
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
        const bytes = Buffer.from(batch.map(({ line }) => line).join(''));
        await this.write(bytes).catch(async (error: unknown) => {
          if (!isFull(error)) throw error;
          await rm(this.reserve, { force: true });
          this.reservedAt = Date.now();
          await this.write(bytes);
        });
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
      if (Date.now() - this.reservedAt > RESERVE_AGAIN_MS) await this.keepReserve();
    }
    this.flushing = undefined;
  }

  /** Half of a batch must not stay: the next record would be written to its last line, and both would be lost. */
  private async write(bytes: Buffer): Promise<void> {
    try {
      await writeAll(this.file, bytes, this.length);
      await this.file.datasync();
      this.length += bytes.length;
    } catch (error) {
      await this.file.truncate(this.length).catch(() => undefined);
      throw error;
    }
  }

  /** Without room there is none to be kept; it is tried again later. */
  private async keepReserve(): Promise<void> {
    this.reservedAt = Date.now();
    if ((await stat(this.reserve).catch(() => undefined))?.size === RESERVE) return;
    await writeNew(this.reserve, Buffer.alloc(RESERVE)).then((file) => file.close(), () => rm(this.reserve, { force: true }));
  }
}

async function writeNew(path: string, bytes: Buffer): Promise<FileHandle> {
  const file = await open(path, 'w', 0o600);
  try {
    await writeAll(file, bytes, 0);
    await file.sync();
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** A disk that is nearly full takes a part and says so; the rest is refused then. */
async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}
