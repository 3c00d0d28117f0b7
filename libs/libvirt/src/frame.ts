/** Message framing: a 4-byte length that counts itself, a 24-byte header, a body. */
import { LibvirtProtocolError } from './errors';
import { PROGRAM_VERSION } from './protocol';
import { XdrReader, XdrWriter } from './xdr';

export const MessageType = { CALL: 0, REPLY: 1, EVENT: 2, STREAM: 3, CALL_WITH_FDS: 4, REPLY_WITH_FDS: 5, STREAM_HOLE: 6 } as const;
export const MessageStatus = { OK: 0, ERROR: 1, CONTINUE: 2 } as const;

const HEAD = 28;
/** Largest message libvirt sends or accepts, length word included, in bytes. */
export const MESSAGE_MAX = 32 * 1024 * 1024 + 4;
const FDS_MAX = 32;

export interface Header {
  program: number;
  procedure: number;
  type: number;
  serial: number;
  status: number;
}

export interface Frame extends Header {
  version: number;
  body: Buffer;
}

/** Encodes one message. `body` writes or is the part after the header. */
export function encodeFrame(header: Header, body?: Uint8Array | ((writer: XdrWriter) => void)): Buffer {
  const writer = new XdrWriter(MESSAGE_MAX, HEAD + (body instanceof Uint8Array ? body.length + 4 : 256));
  writer.uint(0);
  writer.uint(header.program);
  writer.uint(PROGRAM_VERSION);
  writer.int(header.procedure);
  writer.int(header.type);
  writer.uint(header.serial);
  writer.int(header.status);
  if (typeof body === 'function') body(writer);
  const message = writer.finish();
  // Stream data is raw bytes without XDR padding.
  const whole = body instanceof Uint8Array ? Buffer.concat([message, body]) : message;
  if (whole.length > MESSAGE_MAX) throw new LibvirtProtocolError(`message exceeds ${MESSAGE_MAX} bytes`);
  whole.writeUInt32BE(whole.length, 0);
  return whole;
}

/** Cuts a byte stream into frames. Throws {@link LibvirtProtocolError} at the first impossible length. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private buffered = 0;
  private skip = 0;

  /** Takes received bytes and gives every frame that is complete by now. */
  push(chunk: Buffer): Frame[] {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    const frames: Frame[] = [];
    for (let frame = this.next(); frame; frame = this.next()) frames.push(frame);
    return frames;
  }

  private next(): Frame | undefined {
    if (this.skip > 0) this.dropSkipped();
    if (this.buffered < 4) return undefined;
    const length = this.peekLength();
    if (length < HEAD || length > MESSAGE_MAX) throw new LibvirtProtocolError(`frame of ${length} bytes`);
    if (this.buffered < length) return undefined;
    const reader = new XdrReader(this.take(length).subarray(4));
    const frame: Frame = {
      program: reader.uint(), version: reader.uint(), procedure: reader.int(),
      type: reader.int(), serial: reader.uint(), status: reader.int(), body: reader.rest(),
    };
    return frame.type === MessageType.REPLY_WITH_FDS ? this.withoutFds(frame) : frame;
  }

  /**
   * Each passed descriptor is accompanied by one byte after the message. Node drops the descriptors but delivers the
   * bytes, which would be read as the next length.
   */
  private withoutFds(frame: Frame): Frame {
    const reader = new XdrReader(frame.body);
    const count = reader.uint();
    if (count > FDS_MAX) throw new LibvirtProtocolError(`${count} file descriptors`);
    this.skip += count;
    return { ...frame, type: MessageType.REPLY, body: reader.rest() };
  }

  private dropSkipped(): void {
    const count = Math.min(this.skip, this.buffered);
    if (count > 0) this.take(count);
    this.skip -= count;
  }

  private peekLength(): number {
    if (this.chunks[0]!.length < 4) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0]!.readUInt32BE(0);
  }

  private take(count: number): Buffer {
    const parts: Buffer[] = [];
    let missing = count;
    while (missing > 0) {
      const head = this.chunks[0]!;
      if (head.length > missing) {
        parts.push(head.subarray(0, missing));
        this.chunks[0] = head.subarray(missing);
        missing = 0;
      } else {
        parts.push(head);
        this.chunks.shift();
        missing -= head.length;
      }
    }
    this.buffered -= count;
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, count);
  }
}
