import type { Candidate } from './hosts';
import { freeOf } from './resources';

/** Reproducible numbers in [0, 1): the same seed gives the same sequence (xorshift, 32 bits). */
export function seededRandom(seed: string): () => number {
  // FNV-1a over the seed's characters; xorshift must not start at zero.
  let state = 0x811c9dc5;
  for (let i = 0; i < seed.length; i++) state = Math.imul(state ^ seed.charCodeAt(i), 0x01000193);
  if (state === 0) state = 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Best first: what `likes` puts first, then most free memory, which spreads the load; equals by lot, so that several schedulers do not all pick the same. */
export function rankHosts(hosts: readonly Candidate[], seed: string, likes: (hostId: string) => number = () => 0): Candidate[] {
  const random = seededRandom(seed);
  return hosts
    .map((host) => ({ host, liked: likes(host.hostId), free: freeOf(host).memoryMb, lot: random() }))
    .sort((a, b) => b.liked - a.liked || b.free - a.free || a.lot - b.lot)
    .map(({ host }) => host);
}
