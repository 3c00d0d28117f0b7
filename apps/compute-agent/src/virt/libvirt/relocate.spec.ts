import { relocate } from './relocate';

const from = { instance: '/a/instances/i', images: '/a/base' };
const to = { instance: '/b/instances/i', images: '/b/base' };

it.each([
  ['<source file="/a/instances/i/disk"/>', '<source file="/b/instances/i/disk"/>'],
  ['<source file="/a/base/x.qcow2"/>', '<source file="/b/base/x.qcow2"/>'],
  ['<kernel>/a/base/k.raw</kernel>', '<kernel>/b/base/k.raw</kernel>'],
  ['<source mode="bind" path="/a/instances/i/serial.sock"/>', '<source mode="bind" path="/b/instances/i/serial.sock"/>'],
  ['<source file="/a/instances/i2/disk"/>', '<source file="/a/instances/i2/disk"/>'],
  ['<name>see /a/base/x</name>', '<name>see /a/base/x</name>'],
  ['<emulator>/usr/bin/qemu</emulator>', '<emulator>/usr/bin/qemu</emulator>'],
])('%s', (given, expected) => expect(relocate(given, from, to)).toBe(expected));

it('changes nothing else', () => {
  const xml = '<a x="1 &amp; &quot;2&quot;">\n  <b>text &lt; more</b>\n  <c/>\n</a>';
  expect(relocate(xml, from, to)).toBe(xml);
});
