import type { Duplex } from 'node:stream';
import { SERIAL_FRAME, SerialFrameReader, serialFrame } from '@virga/contracts';
import type { RawData, WebSocket } from 'ws';
import { CLOSE } from './close-codes';

/** What a browser that stalls may have waiting here; beyond it nothing more is read from the host. */
const HIGH_BYTES = 512 * 1024;
const LOW_BYTES = 128 * 1024;
const PIECE = 32 * 1024;
/** Of one message to a browser. */
const GATHERED_BYTES = 128 * 1024;
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

/** TLS hands over 16 KB at a time: what comes in one turn of the event loop becomes one message, so that a flood costs fewer of them and a key waits for nothing. */
function gather(show: (bytes: Buffer) => void): (bytes: Buffer) => void {
  let gathered: Buffer[] = [];
  let length = 0;
  const flush = () => {
    if (gathered.length === 0) return;
    const [only] = gathered;
    const all = gathered.length === 1 ? only! : Buffer.concat(gathered);
    gathered = [];
    length = 0;
    show(all);
  };
  return (bytes) => {
    if (gathered.push(bytes) === 1) setImmediate(flush);
    if ((length += bytes.length) >= GATHERED_BYTES) flush();
  };
}

/** Joins a browser and a host's console until either ends. Bytes wait in the slower end's kernel, not here. */
export function relayConsole(socket: WebSocket, host: Duplex, { serial, page, pingMs, idleMs }: RelayOptions): void {
  let heard = true;
  let active = Date.now();
  const pinging = setInterval(() => {
    if (!heard) return socket.terminate();
    if (idleMs > 0 && Date.now() - active > idleMs) return socket.close(CLOSE.idle, 'idle');
    heard = false;
    socket.ping();
  }, pingMs);

  const sent = () => { if (host.isPaused() && socket.bufferedAmount < LOW_BYTES) host.resume(); };
  const show = (bytes: Buffer, binary = true) => {
    // Nobody looks any more: a guest that floods is not read on.
    if (socket.readyState !== socket.OPEN) return void host.destroy();
    socket.send(bytes, { binary }, sent);
    if (socket.bufferedAmount > HIGH_BYTES) host.pause();
  };
  const reader = new SerialFrameReader();
  const fromHost = serial
    ? (bytes: Buffer) => {
      try {
        for (const { kind, payload } of reader.take(bytes)) {
          if (kind === SERIAL_FRAME.data) show(payload);
          else if (page) show(payload, false);
        }
      } catch { host.destroy(); }
    }
    : gather(show);
  const toHost = (bytes: Buffer) => {
    if (host.write(bytes)) return;
    socket.pause();
    host.once('drain', () => socket.resume());
  };

  host.on('data', fromHost).on('error', () => host.destroy()).on('close', () => {
    // After what was gathered in this turn.
    setImmediate(() => { if (socket.readyState === socket.OPEN) socket.close(CLOSE.again, 'again'); });
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
}
