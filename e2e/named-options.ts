/** What stands behind the names of a command's options. */
export interface NamedOptions {
  text(name: string): string | undefined;
  /** A whole number above 0. */
  number(name: string, fallback: number): number;
  /** Words of `known`, separated by commas; all of them where the option is not given. */
  list<T extends string>(name: string, known: readonly T[]): T[];
}

/** Reads `--name VALUE ...`; `--keep`, which is the shell's, is passed over. Throws one sentence with the usage for what is not known. */
export function readNamed(argv: readonly string[], names: readonly string[], usage: string): NamedOptions {
  const given = new Map<string, string>();
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at]!;
    if (word === '--keep') continue;
    const value = argv[++at];
    if (!names.includes(word) || value === undefined) throw new Error(`unknown or without value: ${word}\n${usage}`);
    given.set(word, value);
  }
  return {
    text: (name) => given.get(name),
    number(name, fallback) {
      const value = Number(given.get(name) ?? fallback);
      if (!Number.isInteger(value) || value < 1) throw new Error(`${name} must be a whole number above 0.`);
      return value;
    },
    list(name, known) {
      const words: string[] = given.get(name)?.split(',') ?? [...known];
      return words.map((word) => {
        const found = known.find((one) => one === word);
        if (found === undefined) throw new Error(`${name}: ${word} is none of ${known.join(', ')}.`);
        return found;
      });
    },
  };
}
