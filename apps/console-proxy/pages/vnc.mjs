import RFB from '@novnc/novnc';
import { pasteBox, startSession } from './session.mjs';

const screen = document.getElementById('screen');
const fit = document.getElementById('fit');
let rfb;

const X_RETURN = 0xff0d;
const X_TAB = 0xff09;
const keysymOf = (character) => {
  if (character === '\n') return X_RETURN;
  if (character === '\t') return X_TAB;
  const point = character.codePointAt(0);
  // X11's key symbols: Latin-1 as it is, all other characters above 0x01000000.
  return point < 0x100 ? point : 0x01000000 + point;
};

startSession((socket) => {
  screen.replaceChildren();
  rfb = new RFB(screen, socket, { shared: true });
  rfb.scaleViewport = fit.checked;
  rfb.background = '#101418';
  rfb.addEventListener('connect', () => rfb.focus());
});
fit.addEventListener('change', () => { if (rfb) rfb.scaleViewport = fit.checked; });
document.getElementById('cad').addEventListener('click', () => { rfb?.sendCtrlAltDel(); rfb?.focus(); });
document.getElementById('keys').addEventListener('change', ({ target }) => {
  const [code, ...held] = target.value.split(' ').reverse();
  target.value = '';
  if (!code || !rfb) return;
  const key = (name, down) => { const [keysym, physical] = name.split(':'); rfb.sendKey(Number(keysym), physical, down); };
  for (const name of held.reverse()) key(name, true);
  key(code, true);
  key(code, false);
  for (const name of held.reverse()) key(name, false);
  rfb.focus();
});
pasteBox((text) => {
  // Typed key by key: a text console has no clipboard.
  for (const character of text.replaceAll('\r\n', '\n')) rfb?.sendKey(keysymOf(character), null);
  rfb?.focus();
});
