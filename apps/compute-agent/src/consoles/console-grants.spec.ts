import { createHash } from 'node:crypto';
import { ConsoleGrants } from './console-grants';

const hash = (secret: string) => createHash('sha256').update(secret).digest('hex');
const vnc = { instanceId: 'a', protocol: 'vnc' } as const;
let now = 0;
const grants = new ConsoleGrants({ now: () => now });

it('opens what was granted, once', () => {
  grants.add(hash('s'), vnc, 1000);
  expect(grants.take('s', vnc)).toBe(true);
  expect(grants.take('s', vnc)).toBe(false);
});

it.each([
  ['another secret', 't', vnc], ['another instance', 's', { ...vnc, instanceId: 'b' }], ['another console', 's', { ...vnc, protocol: 'serial' as const }], ['the hash itself', hash('s'), vnc],
])('does not open for %s', (_what, secret, wanted) => {
  grants.add(hash('s'), vnc, 1000);
  expect(grants.take(secret, wanted)).toBe(false);
});

it('spends a grant that was tried on something else, and forgets one in time', () => {
  grants.add(hash('s'), vnc, 1000);
  grants.take('s', { ...vnc, instanceId: 'b' });
  expect(grants.take('s', vnc)).toBe(false);
  grants.add(hash('s'), vnc, 1000);
  now += 1000;
  expect(grants.take('s', vnc)).toBe(false);
});

it('keeps a bounded number', () => {
  for (let count = 0; count < 10_000; count++) grants.add(hash(String(count)), vnc, 1000);
  expect(grants.take('0', vnc)).toBe(false);
  expect(grants.take('9999', vnc)).toBe(true);
});
