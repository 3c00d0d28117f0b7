import { FitAddon } from '@xterm/addon-fit';
import { Terminal } from '@xterm/xterm';
import { pasteBox, startSession } from './session.mjs';

let current;
const role = document.getElementById('role');
const take = document.getElementById('take');

// First of all: the way to the host takes as long as the terminal takes to be drawn.
startSession((socket) => {
  current = socket;
  socket.addEventListener('open', () => { terminal.reset(); terminal.focus(); });
  socket.addEventListener('message', ({ data }) => {
    if (typeof data !== 'string') return terminal.write(new Uint8Array(data));
    const { role: mine, viewers } = JSON.parse(data);
    role.textContent = `${mine === 'writer' ? 'You are typing' : 'You are watching'}${viewers > 0 ? `, ${viewers} more here` : ''}.`;
    take.hidden = mine === 'writer';
  });
});

const terminal = new Terminal({ cursorBlink: true, scrollback: 5000, fontSize: 14, theme: { background: '#101418', foreground: '#e6e8ea' }, screenReaderMode: true });
const fitting = new FitAddon();
terminal.loadAddon(fitting);
terminal.open(document.getElementById('screen'));
fitting.fit();
addEventListener('resize', () => fitting.fit());
// The host takes out what makes a terminal answer; this one would not answer either.
for (const id of [{ final: 'c' }, { prefix: '>', final: 'c' }, { final: 'n' }, { prefix: '?', final: 'n' }, { intermediates: '$', final: 'p' }]) terminal.parser.registerCsiHandler(id, () => true);
for (const number of [0, 1, 2, 4, 8, 10, 11, 12, 52]) terminal.parser.registerOscHandler(number, () => true);

const encoder = new TextEncoder();
const type = (text) => { if (current?.readyState === WebSocket.OPEN) current.send(encoder.encode(text)); };
terminal.onData(type);
take.addEventListener('click', () => { current?.send('take'); terminal.focus(); });
for (const button of document.querySelectorAll('[data-send]')) button.addEventListener('click', () => { type(JSON.parse(`"${button.dataset.send}"`)); terminal.focus(); });
pasteBox((text) => { type(text.replaceAll(/\r?\n/g, '\r')); terminal.focus(); });
