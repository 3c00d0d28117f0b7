import { LibvirtProtocolError } from './errors';
import { encodeFrame, FrameReader, MESSAGE_MAX } from './frame';
import type { Frame } from './frame';

const header = { program: 0x20008086, procedure: 6, type: 1, serial: 3, status: 0 };

describe('frames', () => {
  it('start with their own length and a header', () => {
    expect(encodeFrame(header, (w) => w.uint(9)).toString('hex')).toBe(
      '00000020' + '20008086' + '00000001' + '00000006' + '00000001' + '00000003' + '00000000' + '00000009',
    );
  });

  it('carry stream data without padding', () => {
    const frame = encodeFrame(header, Buffer.from('abc'));
    expect(frame.length).toBe(31);
    expect(frame.readUInt32BE(0)).toBe(31);
  });

  it('are found again however the bytes are cut', () => {
    const bodies = [Buffer.from('one!'), Buffer.alloc(0), Buffer.alloc(70_001, 7), Buffer.from('x')];
    const bytes = Buffer.concat(bodies.map((body, serial) => encodeFrame({ ...header, serial }, body)));
    for (const size of [1, 3, 4, 27, 28, 29, 65_536, bytes.length]) {
      const reader = new FrameReader();
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
      expect(frames.map(({ serial }) => serial)).toEqual([0, 1, 2, 3]);
      frames.forEach(({ body }, at) => expect(body.equals(bodies[at]!)).toBe(true));
    }
  });

  it('leave out passed descriptors and the byte each of them brings', () => {
    const withFds = encodeFrame({ ...header, type: 5 }, (w) => {
      w.uint(2);
      w.uint(77);
    });
    const bytes = Buffer.concat([withFds, Buffer.from([0, 0]), encodeFrame({ ...header, serial: 4 })]);
    for (const size of [1, 32, 33, 34, bytes.length]) {
      const reader = new FrameReader();
      const frames: Frame[] = [];
      for (let at = 0; at < bytes.length; at += size) frames.push(...reader.push(bytes.subarray(at, at + size)));
      expect(frames.map(({ type, serial }) => [type, serial])).toEqual([[1, 3], [1, 4]]);
      expect(frames[0]!.body.toString('hex')).toBe('0000004d');
    }
  });

  it.each([0, 4, 27, MESSAGE_MAX + 1, 0xffffffff])('refuse a length of %d', (length) => {
    const bytes = Buffer.alloc(64);
    bytes.writeUInt32BE(length, 0);
    expect(() => new FrameReader().push(bytes)).toThrow(LibvirtProtocolError);
  });

  it('refuse more descriptors than libvirt ever passes', () => {
    expect(() => new FrameReader().push(encodeFrame({ ...header, type: 5 }, (w) => w.uint(33)))).toThrow('33 file descriptors');
  });

  it('refuse to be written above the limit', () => {
    expect(() => encodeFrame(header, Buffer.alloc(MESSAGE_MAX))).toThrow(LibvirtProtocolError);
  });
});
