import type { Readable } from 'node:stream';

/** Room for one record of TLS, which is what a connection over it hands over at a time; a quiet connection keeps no more. */
const SMALL_BYTES = 16 * 1024;
/** Of a connection over which much comes: as much may become one piece. */
const LARGE_BYTES = 64 * 1024;
/** Below it a read would be cut. */
const LEAST_BYTES = 4 * 1024;
/** Large blocks that are kept for the next who needs one, in a process. */
const MOST_SPARE = 16;

/** Memory that reads go to. `out` counts its pieces that somebody still uses. */
interface Block { bytes: Buffer; out: number }

const spare: Buffer[] = [];

/** Takes a piece of what came; `done` gives its memory back, which is written over then. */
export type TakePiece = (piece: Buffer, done: () => void) => void;

/**
 * Reads of one connection into memory that is used again and again: what comes in one turn of the event loop is handed
 * over as one piece, without a copy or an allocation for each read. A flood costs few pieces, and a single key waits for nothing.
 */
export class GatheredReads {
  /** To be given to `connect` of net or tls. Its callback never pauses the connection: that is the taker's. */
  readonly onread = {
    buffer: (): Uint8Array => this.room(),
    callback: (length: number, bytes: Uint8Array): boolean => { this.came(length, bytes); return true; },
  };

  private block: Block = { bytes: Buffer.allocUnsafeSlow(SMALL_BYTES), out: 0 };
  /** Of the block: what was handed over ends at `begin`, what came ends at `end`. */
  private begin = 0;
  private end = 0;
  private scheduled = false;
  private taker: TakePiece | undefined;
  /** Where bytes go as they come, as long as the connection speaks something else. */
  private diverted: ((bytes: Buffer) => void) | undefined;

  /** Of a stream that was not made with `onread`: what it gives is copied. It is paused, for who takes it to resume. */
  static of(stream: Readable): GatheredReads {
    const reads = new GatheredReads();
    stream.on('data', (bytes: Buffer) => reads.feed(bytes)).pause();
    return reads;
  }

  /** Hands everything on from now on, and what has come before at once. */
  take(taker: TakePiece): void {
    this.taker = taker;
    this.flush();
  }

  /** Until it is called without one, `to` gets copies of all that comes, at once. */
  divert(to?: (bytes: Buffer) => void): void {
    this.diverted = to;
  }

  /** Adds bytes that were read otherwise. */
  feed(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) {
      const room = this.room();
      const length = Math.min(room.length, bytes.length - at);
      bytes.copy(room, 0, at, at + length);
      at += length;
      this.came(length, room);
    }
  }

  /** Hands over what has come, without waiting for the turn's end. */
  flush(): void {
    if (this.taker === undefined || this.begin === this.end) return;
    const { block } = this;
    const piece = block.bytes.subarray(this.begin, this.end);
    this.begin = this.end;
    block.out++;
    let used = true;
    this.taker(piece, () => {
      if (!used) return;
      used = false;
      if (--block.out === 0 && block !== this.block) release(block);
    });
  }

  private came(length: number, bytes: Uint8Array): void {
    if (this.diverted) return this.diverted(Buffer.from(bytes.subarray(0, length)));
    this.end += length;
    if (this.scheduled) return undefined;
    this.scheduled = true;
    setImmediate(() => { this.scheduled = false; this.flush(); });
    return undefined;
  }

  /** Where the next read goes. */
  private room(): Uint8Array {
    if (this.begin === this.end && this.block.out === 0) this.begin = this.end = 0;
    if (this.block.bytes.length - this.end < LEAST_BYTES) this.renew();
    return this.block.bytes.subarray(this.end);
  }

  /** A new block: a large one after much has come at once. */
  private renew(): void {
    const old = this.block;
    const much = this.end - this.begin > SMALL_BYTES / 2;
    if (this.taker === undefined) {
      // Nobody has come yet: it all stays together. Who lets a peer send on without a taker pauses it.
      const bytes = Buffer.allocUnsafeSlow(old.bytes.length + LARGE_BYTES);
      old.bytes.copy(bytes, 0, this.begin, this.end);
      this.block = { bytes, out: 0 };
      this.end -= this.begin;
      this.begin = 0;
      return;
    }
    this.flush();
    this.block = { bytes: much ? spare.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES) : Buffer.allocUnsafeSlow(SMALL_BYTES), out: 0 };
    this.begin = this.end = 0;
    if (old.out === 0) release(old);
  }
}

function release({ bytes }: Block): void {
  if (bytes.length === LARGE_BYTES && spare.length < MOST_SPARE) spare.push(bytes);
}
