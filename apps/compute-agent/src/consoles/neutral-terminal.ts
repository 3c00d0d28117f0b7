const ESC = 0x1b;
const MAX_SEQUENCE = 64;

/**
 * Final bytes of control sequences (CSI) that make a terminal answer, i.e. type something that its user did not, or move
 * windows: device attributes, status and position reports, parameters, window operations, mode requests, version.
 * Source: ECMA-48 and xterm's control sequences.
 */
const REFUSED_FINALS = new Set([...'cnxtpqy'].map((letter) => letter.charCodeAt(0)));
/** What may follow ESC alone: cursor, scrolling, keypad, reset, character sets. Not Z (who are you), not the openers of strings. */
const PLAIN_ESCAPES = new Set([...'78=>DEHMc'].map((letter) => letter.charCodeAt(0)));
const CHARSET_OPENERS = new Set([...'()*+'].map((letter) => letter.charCodeAt(0)));
/** Openers of strings up to ST: DCS, SOS, OSC, PM, APC. Titles, clipboards, links, downloads. */
const STRING_OPENERS = new Set([...'PX]^_'].map((letter) => letter.charCodeAt(0)));
/** BEL, backspace, tab, line feed, vertical tab, form feed, carriage return, shifts of character sets. */
const PLAIN_CONTROLS = new Set([0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f]);

type State = 'text' | 'escape' | 'sequence' | 'charset' | 'string' | 'string-escape' | 'c2';

/**
 * Lets text, colours and cursor movement of a guest through to a browser's terminal, and nothing that acts on the person
 * in front of it. Works byte by byte on a stream; what is begun in one piece may end in another.
 */
export class NeutralTerminal {
  private state: State = 'text';
  private held: number[] = [];

  filter(bytes: Uint8Array): Buffer {
    const out: number[] = [];
    for (const byte of bytes) this[this.state](byte, out);
    return Buffer.from(out);
  }

  private text(byte: number, out: number[]): void {
    if (byte === ESC) this.begin('escape', byte);
    // U+0080 to U+009F in UTF-8 are controls of one character, e.g. CSI and OSC.
    else if (byte === 0xc2) this.begin('c2', byte);
    else if (byte >= 0x20 ? byte !== 0x7f : PLAIN_CONTROLS.has(byte)) out.push(byte);
  }

  private c2(byte: number, out: number[]): void {
    this.state = 'text';
    if (byte >= 0xa0 && byte <= 0xbf) out.push(0xc2, byte);
    else if (byte === 0x90 || byte === 0x98 || (byte >= 0x9d && byte <= 0x9f)) this.state = 'string';
    else if (byte === 0x9b) { this.held = [ESC, 0x5b]; this.state = 'sequence'; }
    else if (byte < 0x80 || byte > 0x9f) this.text(byte, out);
  }

  private escape(byte: number, out: number[]): void {
    if (byte === 0x5b) { this.held.push(byte); this.state = 'sequence'; }
    else if (CHARSET_OPENERS.has(byte)) { this.held.push(byte); this.state = 'charset'; }
    else if (STRING_OPENERS.has(byte)) this.state = 'string';
    else if (PLAIN_ESCAPES.has(byte)) this.pass(byte, out);
    else if (byte === ESC) this.begin('escape', byte);
    else this.state = 'text';
  }

  private charset(byte: number, out: number[]): void {
    if (byte >= 0x30 && byte <= 0x7e) this.pass(byte, out);
    else this.state = 'text';
  }

  private sequence(byte: number, out: number[]): void {
    if (byte === ESC) this.begin('escape', byte);
    else if (byte >= 0x40 && byte <= 0x7e) {
      // Private sequences (<, =, > first) are questions and settings of the terminal's own.
      if (REFUSED_FINALS.has(byte) || (this.held[2] !== undefined && this.held[2] >= 0x3c && this.held[2] <= 0x3e)) this.state = 'text';
      else this.pass(byte, out);
    } else if (byte < 0x20 || byte > 0x7e || this.held.length >= MAX_SEQUENCE) this.state = 'text';
    else this.held.push(byte);
  }

  private string(byte: number): void {
    if (byte === 0x07 || byte === 0x18 || byte === 0x1a) this.state = 'text';
    else if (byte === ESC) this.state = 'string-escape';
    // Some guests never end what they began: a line's end does.
    else if (byte === 0x0a) this.state = 'text';
  }

  private 'string-escape'(byte: number, out: number[]): void {
    if (byte === 0x5c) this.state = 'text';
    else { this.held = [ESC]; this.escape(byte, out); }
  }

  private begin(state: State, byte: number): void {
    this.held = [byte];
    this.state = state;
  }

  private pass(byte: number, out: number[]): void {
    out.push(...this.held, byte);
    this.state = 'text';
  }
}
