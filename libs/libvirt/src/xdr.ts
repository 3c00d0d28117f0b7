/**
 * XDR (RFC 4506): big-endian, every item padded to four bytes. Both sides are bounded: a reader never looks past its
 * buffer and never allocates by a count that the remaining bytes cannot hold, a writer never grows past `limit`.
 */
import { LibvirtProtocolError } from './errors';

const INT_MIN = -0x80000000;
const INT_MAX = 0x7fffffff;
const UINT_MAX = 0xffffffff;
const HYPER_MIN = -(1n << 63n);
const HYPER_MAX = (1n << 63n) - 1n;
const UHYPER_MAX = (1n << 64n) - 1n;

const pad = (length: number): number => (4 - (length % 4)) % 4;

function integer(value: number, low: number, high: number, type: string): number {
  if (!Number.isInteger(value) || value < low || value > high) {
    throw new LibvirtProtocolError(`${String(value)} is not ${type}`);
  }
  return value;
}

function wide(value: bigint | number, low: bigint, high: bigint, type: string): bigint {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new LibvirtProtocolError(`${value} is not a safe integer`);
  }
  const big = BigInt(value);
  if (big < low || big > high) throw new LibvirtProtocolError(`${big} is not ${type}`);
  return big;
}

/** Appends XDR items to a growing buffer. Throws {@link LibvirtProtocolError} for a value that does not fit. */
export class XdrWriter {
  private buffer: Buffer;
  private length = 0;

  /** @param limit most bytes that may be written, in bytes. */
  constructor(private readonly limit: number, initialSize = 256) {
    this.buffer = Buffer.allocUnsafe(Math.min(initialSize, limit));
  }

  int(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeInt32BE(integer(value, INT_MIN, INT_MAX, 'an int'), at);
  }

  uint(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeUInt32BE(integer(value, 0, UINT_MAX, 'an unsigned int'), at);
  }

  hyper(value: bigint | number): void {
    const at = this.reserve(8);
    this.buffer.writeBigInt64BE(wide(value, HYPER_MIN, HYPER_MAX, 'a hyper'), at);
  }

  uhyper(value: bigint | number): void {
    const at = this.reserve(8);
    this.buffer.writeBigUInt64BE(wide(value, 0n, UHYPER_MAX, 'an unsigned hyper'), at);
  }

  double(value: number): void {
    const at = this.reserve(8);
    this.buffer.writeDoubleBE(value, at);
  }

  /** Fixed number of bytes, no length in front. */
  fixed(value: Uint8Array): void {
    const at = this.reserve(value.length + pad(value.length));
    this.buffer.set(value, at);
    this.buffer.fill(0, at + value.length, this.length);
  }

  /** Counted bytes. */
  opaque(value: Uint8Array, max: number): void {
    if (value.length > max) throw new LibvirtProtocolError(`${value.length} bytes where at most ${max} fit`);
    this.uint(value.length);
    this.fixed(value);
  }

  /** UTF-8 text. A NUL would end the string early for the daemon, so it is refused. */
  string(value: string, max: number): void {
    if (typeof value !== 'string') throw new LibvirtProtocolError(`${typeof value} where a string belongs`);
    if (value.includes('\0')) throw new LibvirtProtocolError('a string contains NUL');
    this.opaque(Buffer.from(value, 'utf8'), max);
  }

  /** What has been written, without a copy. The writer must not be used after this. */
  finish(): Buffer {
    return this.buffer.subarray(0, this.length);
  }

  private reserve(bytes: number): number {
    const at = this.length;
    const end = at + bytes;
    if (end > this.limit) throw new LibvirtProtocolError(`message exceeds ${this.limit} bytes`);
    if (end > this.buffer.length) {
      const grown = Buffer.allocUnsafe(Math.min(this.limit, Math.max(end, this.buffer.length * 2)));
      this.buffer.copy(grown, 0, 0, at);
      this.buffer = grown;
    }
    this.length = end;
    return at;
  }
}

/** Reads XDR items from one message body. Throws {@link LibvirtProtocolError} at the first impossible item. */
export class XdrReader {
  private offset = 0;

  constructor(private readonly buffer: Buffer) {}

  get remaining(): number {
    return this.buffer.length - this.offset;
  }

  int(): number {
    return this.buffer.readInt32BE(this.take(4));
  }

  uint(): number {
    return this.buffer.readUInt32BE(this.take(4));
  }

  hyper(): bigint {
    return this.buffer.readBigInt64BE(this.take(8));
  }

  uhyper(): bigint {
    return this.buffer.readBigUInt64BE(this.take(8));
  }

  double(): number {
    return this.buffer.readDoubleBE(this.take(8));
  }

  /** A copy, so that a small field does not keep a large message alive. */
  fixed(length: number): Buffer {
    const at = this.take(length + pad(length));
    for (let i = at + length; i < this.offset; i += 1) {
      if (this.buffer[i] !== 0) throw new LibvirtProtocolError('padding is not zero');
    }
    return Buffer.from(this.buffer.subarray(at, at + length));
  }

  opaque(max: number): Buffer {
    return this.fixed(this.count(max, 1));
  }

  /** UTF-8 text; malformed sequences become U+FFFD, NUL is refused. */
  string(max: number): string {
    const bytes = this.opaque(max);
    if (bytes.includes(0)) throw new LibvirtProtocolError('a string contains NUL');
    return bytes.toString('utf8');
  }

  /**
   * The element count of a list.
   * @param max most elements the protocol allows
   * @param minSize fewest bytes one element takes; a count that cannot fit in what is left is refused before allocation
   */
  count(max: number, minSize: number): number {
    const count = this.uint();
    if (count > max) throw new LibvirtProtocolError(`${count} elements where at most ${max} fit`);
    if (count * minSize > this.remaining) throw new LibvirtProtocolError(`${count} elements in ${this.remaining} bytes`);
    return count;
  }

  /** The rest of the message, without a copy. */
  rest(): Buffer {
    const rest = this.buffer.subarray(this.offset);
    this.offset = this.buffer.length;
    return rest;
  }

  /** Throws when bytes are left over. */
  end(): void {
    if (this.remaining > 0) throw new LibvirtProtocolError(`${this.remaining} bytes left over`);
  }

  private take(bytes: number): number {
    if (bytes > this.remaining) throw new LibvirtProtocolError(`${bytes} bytes wanted, ${this.remaining} left`);
    const at = this.offset;
    this.offset += bytes;
    return at;
  }
}
