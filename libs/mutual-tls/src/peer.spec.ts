import { commonNameOf, peerNamed } from './peer';

it.each([{ role: 'host', hostId: '2b6f2c1e-8d55-4f0a-9f6b-111122223333' }, { role: 'console-proxy' }, { role: 'broker' }, { role: 'southbound' }] as const)('names %j so that it is known again', (peer) => {
  expect(peerNamed(commonNameOf(peer))).toEqual(peer);
});

it.each([undefined, '', 'host:', 'host', 'Host:a', 'host:a/b', 'host:a b', `host:${'a'.repeat(65)}`, 'console-proxy ', 'toString', ['host:a', 'console-proxy']])('takes %j for nobody', (name) => {
  expect(peerNamed(name)).toBeUndefined();
});
