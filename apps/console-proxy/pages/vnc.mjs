import RFB from '@novnc/novnc';
import { screenKeys } from './screen-keys.mjs';
import { startSession } from './session.mjs';

const screen = document.getElementById('screen');
const fit = document.getElementById('fit');
let rfb;

/** QEMU takes a key's position and needs no symbol beside it. */
const press = (code, down) => rfb?.sendKey(0, code, down);

startSession((socket) => {
  screen.replaceChildren();
  rfb = new RFB(screen, socket, { shared: true });
  rfb.scaleViewport = fit.checked;
  rfb.background = '#101418';
  rfb.addEventListener('connect', () => rfb.focus());
});
fit.addEventListener('change', () => { if (rfb) rfb.scaleViewport = fit.checked; });
screenKeys(press, () => rfb?.focus());
