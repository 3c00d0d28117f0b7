import type { Duplex } from 'node:stream';
import { SERIAL_FRAME, SerialFrameReader, serialFrame } from '@virga/contracts';
import type { GatheredReads } from '@virga/core';
import type { RawData, WebSocket } from 'ws';
import { CLOSE } from './close-codes';

/** What a browser that stalls may have waiting here; beyond it nothing more is read from the host. */
const HIGH_BYTES = 512 * 1024;
const LOW_BYTES = 128 * 1024;
const PIECE = 32 * 1024;
const UNSUPPORTED_DATA = 1003;

export interface RelayOptions {
  serial: boolean;
  /** True for our own page, which is told who types. */
  page: boolean;
  /** Between two pings; a browser that answers neither is gone, ms. */
  pingMs: number;
  /** After so long without a byte from the browser the connection ends, ms; 0: never. */
  idleMs: number;
}

/** Joins a browser and a host's console until either ends. Bytes wait in the slower end's kernel, not here. */
export function relayConsole(socket: WebSocket, { host, reads }: { host: Duplex; reads: GatheredReads }, { serial, page, pingMs, idleMs }: RelayOptions): void {
  let heard = true;
  let active = Date.now();
  const pinging = setInterval(() => {
    if (!heard) return socket.terminate();
    if (idleMs > 0 && Date.now() - active > idleMs) return socket.close(CLOSE.idle, 'idle');
    heard = false;
    socket.ping();
  }, pingMs);

  const sent = () => { if (host.isPaused() && socket.bufferedAmount < LOW_BYTES) host.resume(); };
  const show = (bytes: Buffer, binary: boolean, done?: () => void) => {
    // Nobody looks any more: a guest that floods is not read on.
    if (socket.readyState !== socket.OPEN) return void host.destroy();
    socket.send(bytes, { binary }, () => { done?.(); sent(); });
    if (socket.bufferedAmount > HIGH_BYTES) host.pause();
  };
  const reader = new SerialFrameReader();
  const showFrames = (bytes: Buffer, done: () => void) => {
    // Frames are sent on later than this memory is given back.
    const kept = Buffer.from(bytes);
    done();
    try {
      for (const { kind, payload } of reader.take(kept)) {
        if (kind === SERIAL_FRAME.data) show(payload, true);
        else if (page) show(payload, false);
      }
    } catch { host.destroy(); }
  };
  const toHost = (bytes: Buffer) => {
    if (host.write(bytes)) return;
    socket.pause();
    host.once('drain', () => socket.resume());
  };

  host.on('error', () => host.destroy()).on('close', () => {
    reads.flush();
    if (socket.readyState === socket.OPEN) socket.close(CLOSE.again, 'again');
  });
  socket.on('pong', () => { heard = true; }).on('error', () => socket.terminate()).on('close', () => { clearInterval(pinging); host.destroy(); });
  socket.on('message', (data: RawData, binary: boolean) => {
    heard = true;
    active = Date.now();
    const bytes = data as Buffer;
    if (binary && !serial) return toHost(bytes);
    if (binary) {
      for (let at = 0; at < bytes.length; at += PIECE) toHost(serialFrame(SERIAL_FRAME.data, bytes.subarray(at, at + PIECE)));
      return undefined;
    }
    // The one thing that a page says in words.
    if (serial && page && bytes.toString() === 'take') return toHost(serialFrame(SERIAL_FRAME.control, Buffer.from('{"take":true}')));
    return socket.close(UNSUPPORTED_DATA, 'binary only');
  });
  reads.take(serial ? showFrames : (bytes, done) => show(bytes, true, done));
  host.resume();
}
