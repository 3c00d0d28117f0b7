/**
 * A libvirt stream (console, screenshot, volume transfer) as a Node Duplex.
 *
 * - Reading ends when the daemon has no more data; the stream then confirms to the daemon and closes by itself.
 * - `end()` means "I am done": the daemon's confirmation is awaited before 'finish', and an error it reports
 *   (an upload that did not fit, for instance) destroys the stream with a {@link LibvirtError}.
 * - `destroy()` aborts.
 */
import { Duplex } from 'node:stream';
import { LibvirtConnectionError, LibvirtProtocolError } from './errors';
import type { LibvirtError } from './errors';
import { MessageStatus, MessageType } from './frame';
import type { Frame } from './frame';
import type { CallName } from './protocol';

/** Most data one stream message carries, in bytes; older daemons accept no more. */
const DATA_MAX = 262120;

/** What a stream needs from its connection. */
export interface StreamTransport {
  /** Sends a stream message of this stream. `sent` is called once the socket has taken it. */
  sendStream(status: number, data: Uint8Array | undefined, sent?: (error?: Error | null) => void): void;
  decodeError(body: Buffer): LibvirtError;
  /** Stops and resumes reading from the socket; absent where other calls share it. */
  pause?(): void;
  resume?(): void;
  /** The daemon will send nothing more for this stream. */
  forget(): void;
}

export interface StreamOptions {
  /** Most unread bytes held where the socket cannot be paused; beyond it the stream is aborted. */
  maxBufferedBytes: number;
}

type Phase = 'open' | 'finishing' | 'aborting' | 'closed';

export class LibvirtStream extends Duplex {
  private phase: Phase = 'open';
  private finished?: (error?: Error | null) => void;
  private paused = false;
  private ended = false;

  /** @internal made by the connection */
  constructor(readonly procedure: CallName, private readonly transport: StreamTransport, private readonly limits: StreamOptions) {
    super({ allowHalfOpen: true, autoDestroy: true, writableHighWaterMark: DATA_MAX, readableHighWaterMark: DATA_MAX });
  }

  /** @internal one message of this stream */
  receive(frame: Frame): void {
    if (frame.status === MessageStatus.ERROR) {
      this.close(this.phase === 'aborting' ? null : this.transport.decodeError(frame.body));
    } else if (frame.type === MessageType.STREAM_HOLE) {
      this.destroy(new LibvirtProtocolError('a sparse stream was not asked for'));
    } else if (frame.status === MessageStatus.CONTINUE) {
      this.receiveData(frame.body);
    } else {
      this.close(null);
    }
  }

  /** @internal the connection is gone, or the call that opens the stream failed */
  lost(error: Error): void {
    this.close(error);
  }

  override _read(): void {
    if (!this.paused) return;
    this.paused = false;
    this.transport.resume?.();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.phase !== 'open') return done(new LibvirtConnectionError('the stream is closed', false, this.procedure));
    for (let at = 0; at < chunk.length; at += DATA_MAX) {
      const last = at + DATA_MAX >= chunk.length;
      this.transport.sendStream(MessageStatus.CONTINUE, chunk.subarray(at, at + DATA_MAX), last ? done : undefined);
    }
    if (chunk.length === 0) done();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.phase === 'closed' || this.phase === 'aborting') return done();
    this.finished = done;
    this.finish();
    this.release();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.phase === 'open') {
      this.phase = 'aborting';
      this.transport.sendStream(MessageStatus.ERROR, undefined);
    }
    this.release();
    done(error);
  }

  private receiveData(data: Buffer): void {
    if (this.destroyed || this.ended) return;
    if (data.length === 0) {
      this.ended = true;
      // At once: whoever reads to the end may destroy the stream before 'end' has been worked off, which would abort.
      this.finish();
      this.push(null);
      this.end();
    } else if (!this.push(data)) {
      this.full();
    }
  }

  private finish(): void {
    if (this.phase !== 'open') return;
    this.phase = 'finishing';
    this.transport.sendStream(MessageStatus.OK, undefined);
  }

  private full(): void {
    if (this.transport.pause && this.phase === 'open') {
      this.paused = true;
      this.transport.pause();
    } else if (this.readableLength > this.limits.maxBufferedBytes) {
      this.destroy(new LibvirtProtocolError(`${this.readableLength} bytes of ${this.procedure} were not read in time`));
    }
  }

  private close(error: Error | null): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.transport.forget();
    this.release();
    const finished = this.finished;
    this.finished = undefined;
    if (error) {
      finished?.(error);
      if (!this.destroyed) this.destroy(error);
      return;
    }
    if (!this.ended && !this.destroyed) {
      this.ended = true;
      this.push(null);
    }
    if (finished) finished();
    else if (!this.destroyed) this.end();
  }

  private release(): void {
    if (!this.paused) return;
    this.paused = false;
    this.transport.resume?.();
  }
}
