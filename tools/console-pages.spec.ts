import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '..');
const pages = JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', `import { consolePages } from ${JSON.stringify(join(root, 'tools/console-pages.mjs'))}; console.log(JSON.stringify(await consolePages()))`], { maxBuffer: 64 << 20 }).toString()) as Record<string, { type: string; body: string; version?: string }>;
const html = Object.entries(pages).filter(([path]) => path.endsWith('.html'));

it('every page loads only what is served beside it, and holds no script of its own', () => {
  expect(html.map(([path]) => path)).toEqual(['/vnc_auto.html', '/spice_auto.html', '/serial_auto.html']);
  for (const [, { body }] of html) {
    for (const [, url] of body.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const [path, query] = url!.split('?') as [string, string?];
      expect(Object.keys(pages)).toContain(path);
      // Otherwise a browser would keep what is old.
      expect(query).toBe(pages[path]!.version && `v=${pages[path]!.version}`);
    }
    expect(body).not.toMatch(/ on[a-z]+=|style=|<script(?![^>]*src=)/);
    expect(body).toMatch(/<html.*>[^]*noVNC[^]*<\/html>/);
  }
});

it('controls have names', () => {
  for (const [, { body }] of html) for (const [tag] of body.matchAll(/<(?:select|textarea)[^>]*>/g)) expect(tag).toContain('aria-label=');
});
