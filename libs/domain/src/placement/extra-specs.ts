type Test = (has: string, wanted: string) => boolean;

/** Comparisons that an extra spec may begin with: of numbers, `s...` of texts, `<in>` of a part of a text. */
const TESTS: Record<string, Test> = {
  '=': (has, wanted) => Number(has) >= Number(wanted),
  '==': (has, wanted) => Number(has) === Number(wanted),
  '!=': (has, wanted) => Number(has) !== Number(wanted),
  '>=': (has, wanted) => Number(has) >= Number(wanted),
  '<=': (has, wanted) => Number(has) <= Number(wanted),
  's==': (has, wanted) => has === wanted,
  's!=': (has, wanted) => has !== wanted,
  's<': (has, wanted) => has < wanted,
  's<=': (has, wanted) => has <= wanted,
  's>': (has, wanted) => has > wanted,
  's>=': (has, wanted) => has >= wanted,
  '<in>': (has, wanted) => has.includes(wanted),
};

/**
 * Whether a value is what an extra spec asks for: the very text, `<or> a <or> b`, or one of the comparisons. The forms
 * are those of OpenStack's flavors.
 */
export function matchesExtraSpec(has: string, wanted: string): boolean {
  const [operator = '', ...words] = wanted.trim().split(/\s+/);
  if (operator === '<or>') return words.join(' ').split('<or>').some((choice) => choice.trim() === has);
  const test = Object.hasOwn(TESTS, operator) ? TESTS[operator] : undefined;
  return test && words.length > 0 ? test(has, words.join(' ')) : has === wanted;
}
