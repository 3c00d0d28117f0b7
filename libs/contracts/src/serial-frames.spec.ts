import { MAX_SERIAL_FRAME, SERIAL_FRAME, SerialFrameReader, serialControl, serialFrame } from './serial-frames';

const frames = [serialFrame(SERIAL_FRAME.data, Buffer.from('login: ')), serialControl({ role: 'writer', viewers: 0 }), serialFrame(SERIAL_FRAME.data, Buffer.alloc(0))];

it.each([1, 3, 7, 1000])('frames survive being cut into pieces of %i bytes', (size) => {
  const reader = new SerialFrameReader();
  const all = Buffer.concat(frames);
  const seen = [];
  for (let at = 0; at < all.length; at += size) seen.push(...reader.take(all.subarray(at, at + size)));
  expect(seen.map(({ kind, payload }) => [kind, payload.toString()])).toEqual([[0, 'login: '], [1, '{"role":"writer","viewers":0}'], [0, '']]);
});

it.each([['another kind', Buffer.from([2, 0, 0, 0, 0])], ['a huge length', Buffer.from([0, 0xff, 0xff, 0xff, 0xff])], ['one byte too many', serialFrame(0, Buffer.alloc(MAX_SERIAL_FRAME + 1))]])('%s is refused', (_what, bytes) => {
  expect(() => new SerialFrameReader().take(bytes)).toThrow('not a frame');
});
