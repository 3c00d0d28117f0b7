/** What every console page shares: its secrets, its connection and what it says about it. */

/** The browser's own, whatever a page puts in its place for others. */
const Native = WebSocket;
const random = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, '0')).join('');

const fromAddress = () => {
  const query = new URLSearchParams(location.search);
  const inner = new URLSearchParams((query.get('path') ?? '').replace(/^[^?]*\?/, ''));
  const fragment = new URLSearchParams(location.hash.slice(1));
  return { token: fragment.get('token') ?? query.get('token') ?? inner.get('token'), title: query.get('title') ?? fragment.get('title'), tab: fragment.get('tab') };
};

const WORDS = {
  off: 'The server is switched off. Waiting for it to start.', moving: 'The server is moving to another host.', unreachable: 'The host of the server does not answer. Trying again.',
  absent: 'The server has no console of this kind.',
};
const ENDS = {
  4401: 'This link is no longer valid. Ask for a new console link.', 4403: 'Your access was revoked.', 4404: 'The server was deleted.', 4408: 'Closed, because nothing was typed for a long time.',
  4409: 'This console was opened in another window.', 4410: 'This session has ended. Ask for a new console link.',
};
const RETRY_MS = { off: 2000, moving: 200, unreachable: 2000, absent: 5000 };

/**
 * `connect(socket, channel)` is called with each new WebSocket, before it is open; `channel()` opens a further one of the same
 * connection, for protocols that need several.
 */
export function startSession(connect) {
  let { token, title, tab } = fromAddress();
  tab ??= random(8);
  // The token leaves the address before anything else is loaded or shown.
  history.replaceState(null, '', `${location.pathname}#tab=${tab}`);
  if (title) document.title = title;
  const store = `virga.console.${tab}`;
  const keep = { read: () => { try { return sessionStorage.getItem(store); } catch { return null; } }, write: (value) => { try { sessionStorage.setItem(store, value); } catch { /* a reload will need a new link */ } } };
  const pageKey = (token ? null : keep.read()) ?? random(24);
  keep.write(pageKey);

  const status = document.getElementById('status');
  const again = document.getElementById('reconnect');
  const say = (text, state) => { status.textContent = text; document.body.dataset.state = state; again.hidden = state !== 'ended'; };
  let failures = 0;

  const open = () => {
    say(failures === 0 ? 'Connecting…' : status.textContent, 'connecting');
    const names = ['virga.v1', `virga.page.${pageKey}`, `virga.attempt.${random(8)}`];
    const dial = (more = []) => {
      const made = new Native(`${location.origin.replace(/^http/, 'ws')}/websockify`, [...names, ...more]);
      made.binaryType = 'arraybuffer';
      return made;
    };
    const socket = dial(token ? [`virga.token.${token}`] : []);
    socket.addEventListener('open', () => { token = undefined; });
    socket.addEventListener('message', () => { failures = 0; say('Connected.', 'connected'); }, { once: true });
    socket.addEventListener('close', ({ code, reason }) => {
      if (ENDS[code]) return say(ENDS[code], 'ended');
      failures++;
      if (code === 4100) { say('The console has moved. Connecting again…', 'connecting'); return void setTimeout(open, failures > 3 ? 1000 : 50); }
      if (code === 4101) { say(WORDS[reason] ?? 'Waiting for the server.', 'waiting'); return void setTimeout(open, RETRY_MS[reason] ?? 2000); }
      if (failures > 30) return say('The connection was lost.', 'ended');
      say('The connection was lost. Connecting again…', 'connecting');
      return void setTimeout(open, Math.min(5000, 250 * failures));
    });
    connect(socket, dial);
  };
  again.addEventListener('click', () => { failures = 0; open(); });
  document.getElementById('fullscreen').addEventListener('click', () => (document.fullscreenElement ? document.exitFullscreen() : document.documentElement.requestFullscreen()));
  open();
  return { say };
}

/** A small form for text to be typed into the guest. `send` gives back the characters that it could not type. */
export function pasteBox(send) {
  const box = document.getElementById('paste-box');
  const text = document.getElementById('paste-text');
  const note = document.getElementById('paste-note');
  document.getElementById('paste').addEventListener('click', () => { box.hidden = !box.hidden; if (!box.hidden) text.focus(); });
  document.getElementById('paste-send').addEventListener('click', () => {
    const absent = send(text.value) ?? '';
    text.value = '';
    note.textContent = absent === '' ? '' : `Not on this keyboard, left out: ${[...new Set(absent)].join(' ')}`;
    box.hidden = absent === '';
  });
}
