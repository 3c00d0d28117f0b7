import { createHash } from 'node:crypto';

/** Random numbers that a seed repeats. Each stream of its own, so that one does not shift the others. */
export class Random {
  private counter = 0;

  constructor(private readonly seed: string) {}

  /** From 0 to below 1. */
  next(): number {
    return createHash('sha256').update(`${this.seed}/${this.counter++}`).digest().readUInt32BE() / 2 ** 32;
  }

  /** From 0 to below `below`. */
  int(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly (readonly [T, number])[]): T {
    let at = this.next() * choices.reduce((sum, [, weight]) => sum + weight, 0);
    for (const [choice, weight] of choices) if ((at -= weight) < 0) return choice;
    return choices.at(-1)![0];
  }
}
