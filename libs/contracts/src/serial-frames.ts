/**
 * How a serial line travels between a host and a proxy: each frame is a kind (1 byte), a length (4 bytes, big endian)
 * and that many bytes. Screens need none of this: their bytes go as they are.
 */
export const SERIAL_FRAME = { data: 0, control: 1 } as const;
export type SerialFrameKind = (typeof SERIAL_FRAME)[keyof typeof SERIAL_FRAME];

const HEADER = 5;
/** Larger frames are a peer's mistake or malice. */
export const MAX_SERIAL_FRAME = 64 * 1024;

/** What a host says of a connection to a serial line, as JSON in a control frame. */
export interface SerialRole { role: 'writer' | 'viewer'; viewers: number }
/** What a page asks for. */
export interface SerialWish { take: true }

export function serialFrame(kind: SerialFrameKind, payload: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEADER + payload.length);
  frame[0] = kind;
  frame.writeUInt32BE(payload.length, 1);
  payload.copy(frame, HEADER);
  return frame;
}

export const serialControl = (message: SerialRole | SerialWish): Buffer => serialFrame(SERIAL_FRAME.control, Buffer.from(JSON.stringify(message)));

/** Takes bytes as they come and gives frames; throws for what is none. It keeps at most one frame's bytes. */
export class SerialFrameReader {
  private rest: Buffer = Buffer.alloc(0);

  take(bytes: Buffer): { kind: SerialFrameKind; payload: Buffer }[] {
    let buffer = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const frames: { kind: SerialFrameKind; payload: Buffer }[] = [];
    while (buffer.length >= HEADER) {
      const kind = buffer[0]!;
      const length = buffer.readUInt32BE(1);
      if (kind > 1 || length > MAX_SERIAL_FRAME) throw new Error('not a frame of a serial line');
      if (buffer.length < HEADER + length) break;
      frames.push({ kind: kind as SerialFrameKind, payload: buffer.subarray(HEADER, HEADER + length) });
      buffer = buffer.subarray(HEADER + length);
    }
    this.rest = Buffer.from(buffer);
    return frames;
  }
}
