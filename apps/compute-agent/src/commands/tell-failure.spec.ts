import { internalError, unavailable } from '@virga/core';
import { tellFailure } from './tell-failure';

it.each<[string, unknown, string, boolean]>([
  ['a tool on a full disk', internalError('qemu-img failed: qemu-img: /srv/agent/instances/1/disk.part: Could not write qcow2 header: No space left on device'), 'No space is left on the disk of the host.', false],
  ['a write on a full disk', Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' }), 'No space is left on the disk of the host.', false],
  ['a path', internalError("qemu-img failed: Could not open '/srv/agent/base/ab12.raw'"), "qemu-img failed: Could not open 'ab12.raw'", false],
  ['an address', unavailable('http://172.30.255.1:9293/data refused'), 'http://172.30.255.1:9293/data refused', true],
  ['a sentence with a slash', internalError('and/or'), 'and/or', false],
])('tells of %s', (_, error, message, retryable) => {
  expect(tellFailure(error)).toEqual({ message, retryable });
});
