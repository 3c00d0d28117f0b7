const WORDS: Record<string, boolean> = { true: true, t: true, '1': true, yes: true, y: true, on: true, false: false, f: false, '0': false, no: false, n: false, off: false };

/** The words that OpenStack takes for true and false, in any case; undefined for any other. */
export const readBoolean = (value: boolean | string): boolean | undefined =>
  typeof value === 'boolean' ? value : Object.hasOwn(WORDS, value.toLowerCase()) ? WORDS[value.toLowerCase()] : undefined;
