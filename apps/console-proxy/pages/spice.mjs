import { SpiceMainConn } from '@spice-project/spice-html5/src/main.js';
import { Constants } from '@spice-project/spice-html5/src/enums.js';
import { SpiceMiniData, SpiceMsgcKeyDown } from '@spice-project/spice-html5/src/spicemsg.js';
import { SCAN_CODES } from './keyboard';
import { screenKeys } from './screen-keys.mjs';
import { startSession } from './session.mjs';

const screen = document.getElementById('screen');
const fit = document.getElementById('fit');
const canvas = () => screen.querySelector('canvas');
/** Sockets that are ours to give: the client makes its own by address alone, and ours carry secrets that stand in no address. */
let nextSocket;
let dialChannel;
let client;

globalThis.WebSocket = class {
  constructor() {
    const socket = nextSocket ?? dialChannel();
    nextSocket = undefined;
    return socket;
  }
};

const PREFIX = 0xe0;
const RELEASED = 0x80;
function press(code, down) {
  const scan = SCAN_CODES[code];
  if (scan === undefined || client?.inputs?.state !== 'ready') return;
  const key = new SpiceMsgcKeyDown();
  const low = (scan & 0xff) | (down ? 0 : RELEASED);
  // The bytes in the order in which a keyboard sends them, the first one lowest.
  key.code = scan > 0xff ? PREFIX | (low << 8) : low;
  const message = new SpiceMiniData();
  message.build_msg(down ? Constants.SPICE_MSGC_INPUTS_KEY_DOWN : Constants.SPICE_MSGC_INPUTS_KEY_UP, key);
  client.inputs.send_msg(message);
}

const focus = () => canvas()?.focus({ preventScroll: true });
// Before the keys are handled here: it keeps some of them to itself.
screenKeys(press, focus);

/** The client's own handlers take every keyboard for an American one; positions fit all. */
const pressed = new Set();
function onKey(event) {
  if (event.target?.closest?.('#screen') == null) return;
  event.stopPropagation();
  const down = event.type === 'keydown';
  if (SCAN_CODES[event.code] === undefined) return;
  event.preventDefault();
  if (down) pressed.add(event.code);
  else pressed.delete(event.code);
  press(event.code, down);
}
for (const type of ['keydown', 'keyup']) addEventListener(type, onKey, { capture: true });
// What was held when the window lost the keyboard is released elsewhere.
addEventListener('blur', () => { for (const code of pressed) press(code, false); pressed.clear(); });

function arrange() {
  const picture = canvas();
  if (!picture) return;
  // Scaled by a transformation, so that the pointer's place within the picture stays what the guest knows.
  const factor = fit.checked ? Math.min(screen.clientWidth / picture.width, screen.clientHeight / picture.height, 2) : 1;
  picture.style.transform = `scale(${factor})`;
  picture.style.marginTop = `${Math.max(0, (screen.clientHeight - picture.height * factor) / 2)}px`;
  picture.style.marginLeft = `${Math.max(0, (screen.clientWidth - picture.width * factor) / 2)}px`;
}
new MutationObserver(() => { arrange(); if (document.activeElement === document.body) focus(); }).observe(screen, { childList: true, subtree: true, attributes: true, attributeFilter: ['width', 'height'] });
addEventListener('resize', arrange);
// The client's own handler keeps a click from doing so.
screen.addEventListener('mousedown', focus);
fit.addEventListener('change', arrange);

startSession((socket, dial) => {
  client?.stop();
  screen.replaceChildren();
  nextSocket = socket;
  dialChannel = dial;
  // A part alone shows nothing: when one breaks all of them begin anew.
  client = new SpiceMainConn({ uri: 'ws', screen_id: 'screen', password: '', onerror: () => socket.close() });
});
