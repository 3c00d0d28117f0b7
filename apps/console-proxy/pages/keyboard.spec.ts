import { LAYOUTS, SCAN_CODES, strokesOf, typeText } from './keyboard';

const typed = (layout: string, text: string) => {
  const pressed: string[] = [];
  const absent = typeText(layout, text, (code, down) => pressed.push(`${down ? '+' : '-'}${code}`));
  return { pressed: pressed.join(' '), absent };
};

it.each([
  ['us', 'a', '+KeyA -KeyA'], ['us', 'A', '+ShiftLeft +KeyA -KeyA -ShiftLeft'], ['us', '|', '+ShiftLeft +Backslash -Backslash -ShiftLeft'], ['us', 'z\n', '+KeyZ -KeyZ +Enter -Enter'],
  ['de', 'z', '+KeyY -KeyY'], ['de', '@', '+AltRight +KeyQ -KeyQ -AltRight'], ['de', '\\', '+AltRight +Minus -Minus -AltRight'], ['de', '^', '+Backquote -Backquote +Space -Space'],
  ['fr', '1', '+ShiftLeft +Digit1 -Digit1 -ShiftLeft'], ['fr', 'a', '+KeyQ -KeyQ'], ['es', '{', '+AltRight +Quote -Quote -AltRight'], ['gb', '"', '+ShiftLeft +Digit2 -Digit2 -ShiftLeft'],
  ['nosuch', '"', '+ShiftLeft +Quote -Quote -ShiftLeft'], ['__proto__', 'a', '+KeyA -KeyA'],
])('%s types %j', (layout, text, expected) => expect(typed(layout, text)).toEqual({ pressed: expected, absent: '' }));

it('says what a layout cannot type, and types the rest', () => {
  expect(typed('us', 'a€ü😀b')).toEqual({ pressed: '+KeyA -KeyA +KeyB -KeyB', absent: '€ü😀' });
});

it('a line break of Windows is one', () => expect(typed('us', '\r\n').pressed).toBe('+Enter -Enter'));

it.each(Object.keys(LAYOUTS))('%s has all that a shell needs, each character once, on keys that have a scan code', (layout) => {
  const shell = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at));
  for (const character of shell) {
    const strokes = strokesOf(layout, character);
    expect(strokes.length).toBeGreaterThan(0);
    for (const { code } of strokes) expect(SCAN_CODES[code]).toBeGreaterThan(0);
  }
  const { plain, shift } = LAYOUTS[layout]!;
  const keys = [...plain, ...shift].flatMap((line) => [...line]).filter((character) => character !== ' ');
  expect(new Set(keys).size).toBe(keys.length);
  expect(plain.map((line) => [...line].length)).toEqual([13, 12, 12, 11]);
  expect(shift.map((line) => [...line].length)).toEqual([13, 12, 12, 11]);
});

it('scan codes are those of the PC keyboard', () => {
  expect([SCAN_CODES['KeyA'], SCAN_CODES['Space'], SCAN_CODES['F10'], SCAN_CODES['NumpadDecimal'], SCAN_CODES['Slash'], SCAN_CODES['Enter']]).toEqual([0x1e, 0x39, 0x44, 0x53, 0x35, 0x1c]);
  expect(new Set(Object.values(SCAN_CODES)).size).toBe(Object.keys(SCAN_CODES).length);
});
