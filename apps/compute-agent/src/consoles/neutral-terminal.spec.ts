import { NeutralTerminal } from './neutral-terminal';

const neutral = (text: string) => new NeutralTerminal().filter(Buffer.from(text)).toString();

it.each([
  ['text', 'login: ok\r\n\tü€😀\b'], ['colours', '\x1b[1;31mred\x1b[0m'], ['cursor', '\x1b[H\x1b[2J\x1b[10;5H\x1b7\x1b8\x1bM'], ['a hidden cursor', '\x1b[?25l\x1b[?25h'],
  ['line drawing', '\x1b(0lqk\x1b(B'], ['no-break space', 'a\u00a0b'],
])('lets through %s', (_what, text) => expect(neutral(text)).toBe(text));

it.each([
  ['a title', 'a\x1b]0;evil\x07b'], ['the clipboard', 'a\x1b]52;c;ZXZpbA==\x1b\\b'], ['a link', 'a\x1b]8;;http://evil\x07b'], ['a device string', 'a\x1bP$qm\x1b\\b'],
  ['device attributes', 'a\x1b[cb'], ['secondary attributes', 'a\x1b[>cb'], ['a position report', 'a\x1b[6nb'], ['a private report', 'a\x1b[?6nb'], ['window operations', 'a\x1b[21tb'],
  ['a mode request', 'a\x1b[?25$pb'], ['the version', 'a\x1b[>qb'], ['an identity question', 'a\x1bZb'], ['an enquiry', 'a\x05b'], ['one-character OSC', 'a\u009d52;c;eA==\x07b'],
  ['one-character CSI', 'a\u009b6nb'], ['key settings', 'a\x1b[>4;2mb'], ['a program command', 'a\x1b_Gevil\x1b\\b'], ['a sequence without end', `a\x1b[${'1;'.repeat(500)}m`.slice(0, 66) + 'b'],
])('takes out %s', (_what, text) => {
  const seen = neutral(text);
  expect(seen).not.toContain('\x1b');
  expect(seen).not.toMatch(/evil|52;c/);
  expect(seen).toMatch(/^a.*b$/s);
});

it('is not fooled by pieces', () => {
  for (const text of ['x\x1b]52;c;eA==\x07y', 'x\x1b[6ny', 'x\u009d0;t\x07y', 'x\x1b[31my']) {
    const terminal = new NeutralTerminal();
    const pieces = [...Buffer.from(text)].map((byte) => terminal.filter(Buffer.from([byte])));
    expect(Buffer.concat(pieces).toString()).toBe(neutral(text));
  }
});

it('hides no more than a line when a guest leaves a string open', () => {
  expect(neutral('a\x1b]0;open\nnext line')).toBe('anext line');
});

it('leaves nothing that acts in random noise', () => {
  let seed = 7;
  const noise = Buffer.from(Array.from({ length: 200_000 }, () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) >> 16 & 0xff));
  const seen = new NeutralTerminal().filter(noise).toString('latin1');
  // eslint-disable-next-line no-control-regex
  expect(seen).not.toMatch(/\x1b[\]PX^_Z]|\x1b\[[0-9;?]*[cnxtpqy]|\x05|\xc2[\x80-\x9f]/);
});
