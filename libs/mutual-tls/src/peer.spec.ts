import { commonNameOf, peerNamed, subjectOf } from './peer';

it.each([{ role: 'host', hostId: '2b6f2c1e-8d55-4f0a-9f6b-111122223333' }, { role: 'console-proxy' }, { role: 'broker' }, { role: 'southbound' }, { role: 'enrolment' }] as const)('names %j so that it is known again', (peer) => {
  expect(peerNamed(commonNameOf(peer))).toEqual(peer);
});

it.each([undefined, '', 'host:', 'host', 'Host:a', 'host:a/b', 'host:a b', `host:${'a'.repeat(65)}`, 'console-proxy ', 'toString', ['host:a', 'console-proxy']])('takes %j for nobody', (name) => {
  expect(peerNamed(name)).toBeUndefined();
});

it('names a chassis as it is called, so that it is taken for nobody else', () => {
  expect(subjectOf({ role: 'chassis', name: 'host1' })).toBe('host1');
  expect(peerNamed('host1')).toBeUndefined();
});

it.each(['broker', 'console-proxy', 'enrolment', 'host:a', '', 'a/CN=broker', 'a b', '-a'])('gives no chassis the name %j', (name) => {
  expect(() => subjectOf({ role: 'chassis', name })).toThrow('cannot carry');
});
