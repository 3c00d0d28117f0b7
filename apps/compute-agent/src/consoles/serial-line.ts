import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { SERIAL_FRAME, SerialFrameReader, serialControl, serialFrame, type SerialWish } from '@virga/contracts';
import type { Logger } from '@virga/core';
import { NeutralTerminal } from './neutral-terminal';

/** What a viewer is behind by at most; what comes beyond it is left out, and the viewer is told. The guest never waits. */
const BEHIND_BYTES = 256 * 1024;
const PIECE = 32 * 1024;
const LEFT_OUT = Buffer.from('\r\n[output left out: this connection is too slow]\r\n');

interface Viewer { stream: Duplex; behind: boolean; terminal: NeutralTerminal; reader: SerialFrameReader }

/**
 * A guest's serial line and all who look at it. QEMU takes one connection, so there is one, as long as anyone looks. The
 * first to come types, the others watch; one who asks gets the keyboard, and when the writer goes the eldest does.
 */
export class SerialLine {
  private readonly viewers: Viewer[] = [];
  private writer: Viewer | undefined;
  private line: Socket | undefined;
  private ended = false;
  private opening: Promise<void> | undefined;
  /** What came over the line while the log was read for somebody, so that no byte is lost or shown twice. */
  private readonly gathering = new Set<Buffer[]>();

  constructor(private readonly socketPath: string, private readonly scrollback: () => Promise<Buffer>, private readonly closed: () => void, private readonly logger: Logger) {}

  /** Resolves once the viewer sees the line; throws when the guest is off. */
  async join(accept: () => Duplex): Promise<void> {
    await (this.opening ??= this.open());
    const gathered: Buffer[] = [];
    this.gathering.add(gathered);
    const log = await this.scrollback().catch(() => Buffer.alloc(0)).finally(() => this.gathering.delete(gathered));
    if (!this.line || this.line.destroyed) throw new Error('the guest went off');
    const stream = accept();
    const viewer: Viewer = { stream, behind: false, terminal: new NeutralTerminal(), reader: new SerialFrameReader() };
    stream.on('data', (bytes: Buffer) => this.fromViewer(viewer, bytes)).on('error', () => stream.destroy()).on('close', () => this.leave(viewer));
    if (stream.destroyed) return this.leave(viewer);
    const live = Buffer.concat(gathered);
    this.show(viewer, Buffer.concat([log, live.subarray(overlap(log, live))]));
    this.viewers.push(viewer);
    this.writer ??= viewer;
    this.tellRoles();
  }

  private async open(): Promise<void> {
    this.line = await open(this.socketPath);
    this.line.on('data', (bytes: Buffer) => this.fromGuest(bytes)).on('error', (error) => this.logger.debug({ reason: error.message }, 'serial line ended')).on('close', () => this.end());
  }

  /** For good: whoever comes later needs another. */
  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.line?.destroy();
    this.line = undefined;
    for (const { stream } of this.viewers) stream.destroy();
    this.closed();
  }

  private fromGuest(bytes: Buffer): void {
    for (const gathered of this.gathering) gathered.push(bytes);
    for (const viewer of this.viewers) this.show(viewer, bytes);
  }

  private show(viewer: Viewer, bytes: Buffer): void {
    const { stream, terminal } = viewer;
    if (stream.writableLength > BEHIND_BYTES) {
      viewer.behind = true;
      return;
    }
    if (viewer.behind) {
      viewer.behind = false;
      stream.write(serialFrame(SERIAL_FRAME.data, LEFT_OUT));
    }
    for (let at = 0; at < bytes.length; at += PIECE) {
      const shown = terminal.filter(bytes.subarray(at, at + PIECE));
      if (shown.length > 0) stream.write(serialFrame(SERIAL_FRAME.data, shown));
    }
  }

  private fromViewer(viewer: Viewer, bytes: Buffer): void {
    try {
      for (const { kind, payload } of viewer.reader.take(bytes)) {
        if (kind === SERIAL_FRAME.control) this.wish(viewer, JSON.parse(payload.toString('utf8')) as Partial<SerialWish>);
        else if (viewer === this.writer) this.line?.write(payload);
      }
    } catch (error) {
      this.logger.warn({ reason: (error as Error).message }, 'a viewer of a serial line sent what is no frame');
      viewer.stream.destroy();
    }
    // A guest that reads nothing: whoever types waits, nobody else.
    if (viewer === this.writer && this.line && this.line.writableLength > PIECE) {
      viewer.stream.pause();
      this.line.once('drain', () => viewer.stream.resume());
    }
  }

  private wish(viewer: Viewer, { take }: Partial<SerialWish>): void {
    if (take !== true || this.writer === viewer) return;
    this.writer = viewer;
    this.tellRoles();
  }

  private leave(viewer: Viewer): void {
    const at = this.viewers.indexOf(viewer);
    if (at >= 0) this.viewers.splice(at, 1);
    if (this.writer === viewer) this.writer = this.viewers[0];
    if (this.viewers.length === 0) this.end();
    else this.tellRoles();
  }

  private tellRoles(): void {
    for (const viewer of this.viewers) viewer.stream.write(serialControl({ role: viewer === this.writer ? 'writer' : 'viewer', viewers: this.viewers.length - 1 }));
  }
}

function open(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path, () => { socket.off('error', reject); resolve(socket); }).once('error', reject);
  });
}

/** How much of the beginning of `live` stands at the end of `log` already. */
export function overlap(log: Buffer, live: Buffer): number {
  for (let length = Math.min(log.length, live.length); length > 0; length--) {
    if (log.subarray(log.length - length).equals(live.subarray(0, length))) return length;
  }
  return 0;
}
