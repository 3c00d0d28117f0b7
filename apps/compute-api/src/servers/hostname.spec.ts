import { hostnameFrom } from './hostname';

it.each([
  ['web1', 'web1'], ['My Server_1.prod', 'my-server-1-prod'], ['-x-', 'x'], ['a'.repeat(80), 'a'.repeat(63)], [`${'a'.repeat(62)}-b`, 'a'.repeat(62)], ['ünïcode', 'ncode'], ['虚拟机', 'Server-id'], ['...', 'Server-id'],
])('%s becomes %s', (name, hostname) => expect(hostnameFrom(name, 'id')).toBe(hostname));
