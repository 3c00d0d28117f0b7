/**
 * Where keys lie. A guest is told positions, not characters: what a position means is its own keyboard layout's affair. So a
 * text to be typed needs to know the guest's layout, and a physical key does not.
 */

/** Positions (KeyboardEvent.code) in rows of an ISO keyboard, and their scan codes in set 1. Source: UI Events' code values; the PC keyboard's set 1. */
const ROWS = [
  'Backquote Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal',
  'KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight',
  'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backslash',
  'IntlBackslash KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash',
].map((row) => row.split(' '));

const row = (first: number, names: string): Record<string, number> => Object.fromEntries(names.split(' ').map((name, at) => [name, first + at]));
/** A scan code above 0xff has the prefix E0 in its high byte. */
export const SCAN_CODES: Readonly<Record<string, number>> = {
  ...row(0x01, 'Escape Digit1 Digit2 Digit3 Digit4 Digit5 Digit6 Digit7 Digit8 Digit9 Digit0 Minus Equal Backspace Tab'),
  ...row(0x10, 'KeyQ KeyW KeyE KeyR KeyT KeyY KeyU KeyI KeyO KeyP BracketLeft BracketRight Enter ControlLeft'),
  ...row(0x1e, 'KeyA KeyS KeyD KeyF KeyG KeyH KeyJ KeyK KeyL Semicolon Quote Backquote ShiftLeft Backslash'),
  ...row(0x2c, 'KeyZ KeyX KeyC KeyV KeyB KeyN KeyM Comma Period Slash ShiftRight NumpadMultiply AltLeft Space CapsLock'),
  ...row(0x3b, 'F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 NumLock ScrollLock Numpad7 Numpad8 Numpad9 NumpadSubtract Numpad4 Numpad5 Numpad6 NumpadAdd Numpad1 Numpad2 Numpad3 Numpad0 NumpadDecimal'),
  IntlBackslash: 0x56, F11: 0x57, F12: 0x58, IntlRo: 0x73, IntlYen: 0x7d,
  NumpadEnter: 0xe01c, ControlRight: 0xe01d, NumpadDivide: 0xe035, PrintScreen: 0xe037, AltRight: 0xe038, Home: 0xe047, ArrowUp: 0xe048, PageUp: 0xe049, ArrowLeft: 0xe04b, ArrowRight: 0xe04d,
  End: 0xe04f, ArrowDown: 0xe050, PageDown: 0xe051, Insert: 0xe052, Delete: 0xe053, MetaLeft: 0xe05b, MetaRight: 0xe05c, ContextMenu: 0xe05d,
};

interface Layout {
  name: string;
  /** What the keys of each row give; a blank for one that gives nothing that can be typed. */
  plain: readonly string[];
  shift: readonly string[];
  altGr?: readonly string[];
  /** Characters whose key waits for the next one; a blank after it makes it stand alone. */
  dead?: string;
}

/** What the keys give with Linux' and Windows' usual layouts of the countries. */
export const LAYOUTS: Readonly<Record<string, Layout>> = {
  us: {
    name: 'English (US)',
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'\\", ' zxcvbnm,./'],
    shift: ['~!@#$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:"|', ' ZXCVBNM<>?'],
  },
  gb: {
    name: 'English (UK)',
    plain: ['`1234567890-=', 'qwertyuiop[]', "asdfghjkl;'#", '\\zxcvbnm,./'],
    shift: ['¬!"£$%^&*()_+', 'QWERTYUIOP{}', 'ASDFGHJKL:@~', '|ZXCVBNM<>?'],
    altGr: ['    €        '],
  },
  de: {
    name: 'Deutsch',
    plain: ['^1234567890ß´', 'qwertzuiopü+', 'asdfghjklöä#', '<yxcvbnm,.-'],
    shift: ['°!"§$%&/()=?`', 'QWERTZUIOPÜ*', "ASDFGHJKLÖÄ'", '>YXCVBNM;:_'],
    altGr: ['  ²³   {[]}\\ ', '@ €        ~', '            ', '|      µ   '],
    dead: '^´`',
  },
  fr: {
    name: 'Français',
    plain: ['²&é"\'(-è_çà)=', 'azertyuiop $', 'qsdfghjklmù*', '<wxcvbn,;:!'],
    shift: [' 1234567890°+', 'AZERTYUIOP £', 'QSDFGHJKLM%µ', '>WXCVBN?./§'],
    altGr: ['  ~#{[|`\\^@]}', '  €         '],
  },
  es: {
    name: 'Español',
    plain: ["º1234567890'¡", 'qwertyuiop`+', 'asdfghjklñ´ç', '<zxcvbnm,.-'],
    shift: ['ª!"·$%&/()=?¿', 'QWERTYUIOP^*', 'ASDFGHJKLÑ¨Ç', '>ZXCVBNM;:_'],
    altGr: ['\\|@#~ ¬      ', '  €       []', '          {}'],
    dead: '`^´¨~',
  },
};

export interface Stroke { code: string; shift: boolean; altGr: boolean }

const BLANK: Stroke = { code: 'Space', shift: false, altGr: false };
const EVERYWHERE: Readonly<Record<string, Stroke>> = { ' ': BLANK, '\n': { ...BLANK, code: 'Enter' }, '\r': { ...BLANK, code: 'Enter' }, '\t': { ...BLANK, code: 'Tab' }, '\b': { ...BLANK, code: 'Backspace' } };

/** Which keys make a character in a layout: one, or two where its key is a dead one; none when the layout does not have it. */
export function strokesOf(layout: string, character: string): Stroke[] {
  if (Object.hasOwn(EVERYWHERE, character)) return [EVERYWHERE[character]!];
  const known = Object.hasOwn(LAYOUTS, layout) ? LAYOUTS[layout]! : LAYOUTS['us']!;
  for (const level of ['plain', 'shift', 'altGr'] as const) {
    for (const [at, keys] of (known[level] ?? []).entries()) {
      const position = [...keys].indexOf(character);
      if (position < 0) continue;
      const stroke = { code: ROWS[at]![position]!, shift: level === 'shift', altGr: level === 'altGr' };
      return known.dead?.includes(character) ? [stroke, BLANK] : [stroke];
    }
  }
  return [];
}

const MODIFIERS = [['shift', 'ShiftLeft'], ['altGr', 'AltRight']] as const;

/** Types a text key by key; gives back the characters that the layout does not have. */
export function typeText(layout: string, text: string, press: (code: string, down: boolean) => void): string {
  let absent = '';
  for (const character of text.replaceAll('\r\n', '\n')) {
    const strokes = strokesOf(layout, character);
    if (strokes.length === 0) absent += character;
    for (const stroke of strokes) {
      const held = MODIFIERS.flatMap(([name, code]) => (stroke[name] ? [code] : []));
      for (const code of held) press(code, true);
      press(stroke.code, true);
      press(stroke.code, false);
      for (const code of held.reverse()) press(code, false);
    }
  }
  return absent;
}
