import { incomingStreams } from './drop-stream';

it('finds the connections that came in on the ports of migrations', () => {
  expect(incomingStreams([
    '0      0      172.30.225.12:49152 172.30.225.11:60964 users:(("qemu-system-x86",pid=18142,fd=20))',
    '0      0      172.30.225.12:59904  172.30.225.1:9652 users:(("ovn-controller",pid=7,fd=9))',
    '0      0      172.30.225.12:5900  172.30.225.1:9652 users:(("qemu-system-x86",pid=18142,fd=21))',
    '0      0      172.30.225.12:49153 172.30.225.11:60965',
    '0 0 [fd00::1]:49154 [fd00::2]:40000 users:(("qemu-system-x86",pid=5,fd=3))',
    '',
  ].join('\n'))).toEqual([
    { pid: 18142, local: '172.30.225.12:49152', remote: '172.30.225.11:60964' }, { pid: 7, local: '172.30.225.12:59904', remote: '172.30.225.1:9652' },
    { pid: 5, local: '[fd00::1]:49154', remote: '[fd00::2]:40000' },
  ]);
});
