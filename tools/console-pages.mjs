import { createHash } from 'node:crypto';
import { build } from 'esbuild';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const source = join(dirname(dirname(fileURLToPath(import.meta.url))), 'apps/console-proxy/pages');

/** `address(path)`: of an asset, with its version. */
const page = (title, script, controls, address) => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title>
<link rel="icon" type="image/svg+xml" href="/assets/icon.svg"><link rel="stylesheet" href="${address(`/assets/${script}.css`)}"><script type="module" src="${address(`/assets/${script}.js`)}"></script></head>
<body class="${script}" data-state="connecting">
<header><span id="status" role="status" aria-live="polite">Connecting…</span>
${controls}
<button id="paste" type="button">Paste text</button><button id="fullscreen" type="button">Full screen</button><button id="reconnect" type="button" hidden>Reconnect</button></header>
<div id="paste-box" hidden><textarea id="paste-text" aria-label="Text to be typed into the server" spellcheck="false"></textarea><button id="paste-send" type="button">Type it</button><span id="paste-note" role="status"></span></div>
<main id="screen" aria-label="Screen of the server"></main>
<noscript>This console (noVNC, spice-html5 or xterm.js) needs JavaScript.</noscript>
</body></html>
`;

const KEYS = [
  ['Esc', 'Escape'], ['Tab', 'Tab'], ['Ctrl+C', 'ControlLeft KeyC'], ['Alt+Tab', 'AltLeft Tab'], ['Super', 'MetaLeft'], ['Print', 'PrintScreen'],
  ...Array.from({ length: 12 }, (_, at) => [`F${at + 1}`, `F${at + 1}`]), ...[1, 2, 3, 4].map((at) => [`Ctrl+Alt+F${at}`, `ControlLeft AltLeft F${at}`]), ['Ctrl+Alt+Backspace', 'ControlLeft AltLeft Backspace'],
];
const SCREEN = `<button id="cad" type="button">Ctrl+Alt+Del</button>
<select id="keys" aria-label="Send a key"><option value="">Keys…</option>${KEYS.map(([name, value]) => `<option value="${value}">${name}</option>`).join('')}</select>
<select id="layout" aria-label="Keyboard layout of the server" title="Keyboard layout of the server, for text that is pasted"></select>
<button id="keyboard" type="button" class="touch">Keyboard</button><textarea id="soft" aria-label="Keyboard input for the server" autocapitalize="off" autocomplete="off" autocorrect="off" spellcheck="false" tabindex="-1"></textarea>
<label><input id="fit" type="checkbox" checked> Fit to window</label>`;
const SERIAL = `<span id="role"></span><button id="take" type="button" hidden>Take the keyboard</button>
<button type="button" data-send="\\u0003">Ctrl+C</button><button type="button" data-send="\\u0004">Ctrl+D</button><button type="button" data-send="\\u001b">Esc</button>`;

const PAGES = [['/vnc_auto.html', 'Console (noVNC)', 'vnc', SCREEN], ['/spice_auto.html', 'Console (SPICE)', 'spice', SCREEN], ['/serial_auto.html', 'Serial console', 'serial', SERIAL]];

/** All that a console proxy serves: path to type and content. Scripts are bundled, so that a page loads two files. */
export async function consolePages() {
  const pages = {};
  const { outputFiles } = await build({
    entryPoints: Object.fromEntries(['vnc', 'spice', 'serial'].map((name) => [name, join(source, `${name}.mjs`)])), outdir: '/', bundle: true, minify: true, write: false, format: 'esm', target: 'es2022', legalComments: 'inline', logLevel: 'warning',
  });
  for (const { path, text } of outputFiles) pages[`/assets${path}`] = { type: 'text/javascript; charset=utf-8', body: text };
  // Browsers ask for this by themselves, too.
  for (const path of ['/assets/icon.svg', '/favicon.ico']) pages[path] = { type: 'image/svg+xml', body: readFileSync(join(source, 'icon.svg'), 'utf8') };
  const css = readFileSync(join(source, 'console.css'), 'utf8');
  const xterm = readFileSync(join(dirname(source), '../../node_modules/@xterm/xterm/css/xterm.css'), 'utf8');
  for (const name of ['vnc', 'spice']) pages[`/assets/${name}.css`] = { type: 'text/css; charset=utf-8', body: css };
  pages['/assets/serial.css'] = { type: 'text/css; charset=utf-8', body: css + xterm };
  // What a browser has once is asked for again when it has changed, and not before.
  for (const [path, content] of Object.entries(pages)) if (/\.(js|css)$/.test(path)) content.version = createHash('sha256').update(content.body).digest('hex').slice(0, 12);
  const address = (path) => `${path}?v=${pages[path].version}`;
  for (const [path, title, script, controls] of PAGES) pages[path] = { type: 'text/html; charset=utf-8', body: page(title, script, controls, address), ...(script === 'serial' && { inlineStyles: true }) };
  return pages;
}

/** Lets a bundle import them: nothing is read from a file system when the proxy runs. */
export const consolePagesPlugin = {
  name: 'console-pages',
  setup(context) {
    context.onResolve({ filter: /^virga:console-pages$/ }, ({ path }) => ({ path, namespace: 'console-pages' }));
    context.onLoad({ filter: /.*/, namespace: 'console-pages' }, async () => ({ contents: `export const pages = ${JSON.stringify(await consolePages())};`, loader: 'js' }));
  },
};
