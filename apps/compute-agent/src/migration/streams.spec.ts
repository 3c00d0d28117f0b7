import { shieldRules } from './shield-stream';
import { incoming, streamsIn } from './streams';

it('finds the connections that came in on the ports of migrations', () => {
  expect(incoming(streamsIn([
    '0      0      172.30.225.12:49152 172.30.225.11:60964 users:(("qemu-system-x86",pid=18142,fd=20))',
    '0      0      172.30.225.12:59904  172.30.225.1:9652 users:(("ovn-controller",pid=7,fd=9))',
    '0      0      172.30.225.12:5900  172.30.225.1:9652 users:(("qemu-system-x86",pid=18142,fd=21))',
    '0      0      172.30.225.12:49153 172.30.225.11:60965',
    '0 0 [fd00::1]:49154 [fd00::2]:40000 users:(("qemu-system-x86",pid=5,fd=3))',
    '',
  ].join('\n')))).toEqual([
    { pid: 18142, local: '172.30.225.12:49152', remote: '172.30.225.11:60964' }, { pid: 7, local: '172.30.225.12:59904', remote: '172.30.225.1:9652' },
    { pid: 5, local: '[fd00::1]:49154', remote: '[fd00::2]:40000' },
  ]);
});

it('finds those that went out, too', () => {
  expect(streamsIn('0 0 172.30.225.11:60964 172.30.225.12:49152 users:(("qemu-system-x86",pid=9,fd=20))\n0 0 172.30.225.11:4000 172.30.225.12:16514 users:(("libvirtd",pid=8,fd=2))'))
    .toEqual([{ pid: 9, local: '172.30.225.11:60964', remote: '172.30.225.12:49152' }]);
});

it('keeps resets from exactly these', () => {
  const rules = shieldRules([{ pid: 1, local: '10.0.0.1:4000', remote: '10.0.0.2:49152' }, { pid: 1, local: '[fd00::1]:49154', remote: '[fd00::2]:40000' }]).split('\n');
  expect(rules.filter((rule) => rule.startsWith('add element'))).toEqual([
    'add element inet virga_streams shielded4 { 10.0.0.2 . 49152 . 10.0.0.1 . 4000 }', 'add element inet virga_streams shielded6 { fd00::2 . 40000 . fd00::1 . 49154 }',
  ]);
});
