import { ProtocolError } from './errors';

/** Bounds of one JSON value on the wire. */
export interface JsonStreamLimits {
  /** Largest accepted value in bytes. */
  maxBytes: number;
  /** Deepest accepted nesting of objects and arrays. */
  maxDepth: number;
}

export const defaultJsonStreamLimits: JsonStreamLimits = { maxBytes: 256 * 1024 * 1024, maxDepth: 64 };

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const whitespace = new Set([0x20, 0x09, 0x0a, 0x0d]);

/**
 * Splits a byte stream of JSON objects that follow each other without separators, as OVSDB servers send
 * them. A value is handed out as soon as its last byte is there. Anything but objects and whitespace at the
 * top level, a value over the limits, or text that is no JSON raises a ProtocolError; the stream is dead
 * after that.
 */
export class JsonStream {
  private readonly limits: JsonStreamLimits;
  private readonly decoder = new TextDecoder('utf-8', { fatal: true });
  private parts: Buffer[] = [];
  private buffered = 0;
  private depth = 0;
  private inString = false;
  private escaped = false;
  private dead: ProtocolError | undefined;

  constructor(
    private readonly onValue: (value: Record<string, unknown>) => void,
    limits: Partial<JsonStreamLimits> = {},
  ) {
    this.limits = { ...defaultJsonStreamLimits, ...limits };
  }

  /** Bytes held back for a value that is not complete yet. */
  get pendingBytes(): number {
    return this.buffered;
  }

  /** Feeds the next bytes; throws ProtocolError at the first offending byte. */
  push(chunk: Buffer): void {
    if (this.dead) throw this.dead;
    try {
      this.scan(chunk);
    } catch (error) {
      this.parts = [];
      this.buffered = 0;
      if (error instanceof ProtocolError) this.dead = error;
      throw error;
    }
  }

  private scan(chunk: Buffer): void {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i]!;
      if (this.depth === 0) {
        if (whitespace.has(byte)) {
          start = i + 1;
          continue;
        }
        if (byte !== OPEN_OBJECT) throw new ProtocolError(`expected a JSON object, got byte 0x${byte.toString(16)}`);
        start = i;
        this.depth = 1;
        continue;
      }
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
        continue;
      }
      if (byte === QUOTE) this.inString = true;
      else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (++this.depth > this.limits.maxDepth) {
          throw new ProtocolError(`JSON is nested deeper than ${this.limits.maxDepth}`);
        }
      } else if ((byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) && --this.depth === 0) {
        this.hold(chunk.subarray(start, i + 1));
        start = i + 1;
        this.emit();
      }
    }
    if (this.depth > 0) this.hold(Buffer.from(chunk.subarray(start)));
  }

  private hold(part: Buffer): void {
    this.buffered += part.length;
    if (this.buffered > this.limits.maxBytes) {
      throw new ProtocolError(`a JSON value is larger than ${this.limits.maxBytes} bytes`);
    }
    this.parts.push(part);
  }

  private emit(): void {
    const bytes = this.parts.length === 1 ? this.parts[0]! : Buffer.concat(this.parts, this.buffered);
    this.parts = [];
    this.buffered = 0;
    let value: Record<string, unknown>;
    try {
      value = JSON.parse(this.decoder.decode(bytes)) as Record<string, unknown>;
    } catch (cause) {
      throw new ProtocolError('the peer sent text that is not JSON', { cause });
    }
    this.onValue(value);
  }
}
