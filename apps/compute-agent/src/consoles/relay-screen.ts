import { connect } from 'node:net';
import type { Duplex } from 'node:stream';
import { GatheredReads } from '@virga/core';

/** What may wait here for the proxy; beyond it nothing more is read from the guest. */
const HIGH_BYTES = 256 * 1024;

/** Joins a guest's screen, a unix socket, and a proxy, once the screen answers; rejects when it does not. Neither side is read faster than the other takes it. */
export async function relayScreen(path: string, accept: () => Duplex): Promise<void> {
  const reads = new GatheredReads();
  const screen = connect({ path, onread: reads.onread });
  await new Promise<void>((resolve, reject) => screen.once('connect', resolve).once('error', reject));
  const proxy = accept();
  let waiting = 0;
  reads.take((piece, done) => {
    const { length } = piece;
    waiting += length;
    if (waiting > HIGH_BYTES) screen.pause();
    proxy.write(piece, () => {
      done();
      waiting -= length;
      if (waiting <= HIGH_BYTES / 2) screen.resume();
    });
  });
  proxy.pipe(screen);
  for (const [one, other] of [[screen, proxy], [proxy, screen]] as const) one.on('error', () => other.destroy()).on('close', () => other.destroy());
  // Its end is noticed by who reads, and its bytes come by `reads`.
  screen.resume();
}
