import { createHash } from 'node:crypto';
import { internalError, systemClock, unavailable, type Clock } from '@virga/core';

/** What takes time and may fail on a simulated host. */
export const SIMULATED_VERBS = ['prepare', 'connect', 'define', 'start', 'stop', 'pause', 'unpause', 'suspend', 'remove', 'attach', 'detach', 'copy', 'migrate'] as const;
export type SimulatedVerb = (typeof SIMULATED_VERBS)[number];

export interface SimulationSettings {
  /** Equal seeds give equal times and failures for equal sequences of verbs. */
  seed: string;
  /** Shortest and longest time of each verb, ms; what is not named takes none. */
  times?: Partial<Record<SimulatedVerb, readonly [number, number]>>;
  /** Share of a verb's runs that fail, 0 to 1; what is not named never does. */
  failures?: Partial<Record<SimulatedVerb, number>>;
  clock?: Clock;
}

/** Numbers from 0 to 1 that follow from the seed alone (a 32-bit xorshift). */
export function seededRandom(seed: string): () => number {
  let state = createHash('sha256').update(seed).digest().readUInt32LE() || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Lets a verb take its time, and fail as often as the settings say: half of the failures pass, half are for good. */
export class Simulation {
  private readonly random: () => number;
  private readonly clock: Clock;

  constructor(private readonly settings: SimulationSettings) {
    this.random = seededRandom(settings.seed);
    this.clock = settings.clock ?? systemClock;
  }

  async perform(verb: SimulatedVerb, signal?: AbortSignal): Promise<void> {
    const [least, most] = this.settings.times?.[verb] ?? [0, 0];
    // Drawn in any case, so that one setting does not shift what the others draw.
    const [time, luck, kind] = [least + this.random() * (most - least), this.random(), this.random()];
    if (time > 0) await this.clock.sleep(time, signal);
    if (luck >= (this.settings.failures?.[verb] ?? 0)) return;
    throw kind < 0.5 ? unavailable(`Simulated: the host was too busy to ${verb}.`) : internalError(`Simulated: the host could not ${verb}.`);
  }

  now(): number {
    return this.clock.now();
  }
}
