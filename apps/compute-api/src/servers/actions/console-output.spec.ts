import { plainText } from './console-output';

it.each([
  ['a question for the cursor', 'root# \x1b[6nls\n', 'root# ls\n'], ['colours', '\x1b[1;31mred\x1b[0m', 'red'], ['a title', 'a\x1b]0;evil\x07b', 'ab'], ['the clipboard', 'a\x1b]52;c;eA==\x1b\\b', 'ab'],
  ['a character set', '\x1b(0x\x1b(B', 'x'], ['a string without end', 'a\x1b]0;open\nnext', 'a\nnext'], ['single controls', 'a\x00\x07\x1b7b\x7f\u009bc', 'abc'], ['a sequence cut off', 'a\x1b[3', 'a[3'],
])('takes out %s', (_what, output, text) => expect(plainText(output)).toBe(text));

it('leaves text, tabs, lines and every script as they are', () => {
  expect(plainText('login:\tü€😀\nok\n')).toBe('login:\tü€😀\nok\n');
});

