import { LAYOUTS, strokesOf, typeText } from './keyboard';
import { pasteBox } from './session.mjs';

const STORE = 'virga.console.layout';
const layouts = document.getElementById('layout');
const soft = document.getElementById('soft');

const kept = (() => { try { return localStorage.getItem(STORE); } catch { return null; } })();
for (const [id, { name }] of Object.entries(LAYOUTS)) layouts.add(new Option(name, id));
layouts.value = Object.hasOwn(LAYOUTS, kept ?? '') ? kept : 'us';
layouts.addEventListener('change', () => { try { localStorage.setItem(STORE, layouts.value); } catch { /* it holds as long as this page */ } });

/**
 * What all pages with a screen offer besides the keyboard itself. `press(code, down)` tells the guest of a key by its position;
 * `focus()` gives the keyboard back to the screen.
 */
export function screenKeys(press, focus) {
  const type = (text) => typeText(layouts.value, text, press);
  completeKeys(type);
  const chord = (codes) => { for (const code of codes) press(code, true); for (const code of [...codes].reverse()) press(code, false); };
  document.getElementById('cad').addEventListener('click', () => { chord(['ControlLeft', 'AltLeft', 'Delete']); focus(); });
  document.getElementById('keys').addEventListener('change', ({ target }) => {
    if (target.value !== '') chord(target.value.split(' '));
    target.value = '';
    focus();
  });
  // Typed key by key: a text console has no clipboard.
  pasteBox((text) => { const absent = type(text); focus(); return absent; });

  // The keyboard of a telephone comes up for a field only, and tells text rather than keys.
  document.getElementById('keyboard').addEventListener('click', () => soft.focus());
  soft.addEventListener('beforeinput', (event) => {
    const text = { insertText: event.data, insertCompositionText: null, insertLineBreak: '\n', deleteContentBackward: '\b' }[event.inputType];
    if (text) type(text);
    if (event.inputType !== 'insertCompositionText') event.preventDefault();
  });
  soft.addEventListener('compositionend', ({ data }) => { type(data ?? ''); soft.value = ''; });
}

/**
 * Some keyboards (telephones', remote ones) tell a character without the keys that make it. Such a key is typed whole; a real
 * keyboard has told its Shift before.
 */
function completeKeys(type) {
  const whole = new Set();
  const onKey = (event) => {
    if (event.target?.closest?.('#screen') == null) return;
    const name = event.code || event.key;
    let typed = event.type === 'keyup' && whole.delete(name);
    if (event.type === 'keydown' && [...event.key].length === 1 && !event.ctrlKey && !event.altKey && !event.metaKey && !event.getModifierState('CapsLock')) {
      const [stroke] = strokesOf(layouts.value, event.key);
      typed = stroke !== undefined && !event.shiftKey && (event.code === '' || (stroke.code === event.code && stroke.shift));
      if (typed) { whole.add(name); type(event.key); }
    }
    if (typed) { event.preventDefault(); event.stopImmediatePropagation(); }
  };
  for (const kind of ['keydown', 'keyup']) addEventListener(kind, onKey, { capture: true });
}
