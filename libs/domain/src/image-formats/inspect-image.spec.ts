import { inspectImage } from './inspect-image';
import type { ByteSource } from './qcow2';

const source = (bytes: Buffer): ByteSource => ({ size: bytes.length, read: (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)) });
const limits = { maxVirtualBytes: 1 << 30 };
const inspect = (bytes: Buffer, declared: string) => inspectImage(source(bytes), declared, limits);

/** A well-formed qcow2 v3 of 1 MiB: header, refcount area, L1, one L2, one data cluster, 64 KiB each. */
function qcow2(change: (image: Buffer) => void = () => undefined): Buffer {
  const cluster = 65536;
  const image = Buffer.alloc(5 * cluster);
  image.write('QFI\xfb', 0, 'latin1');
  image.writeUInt32BE(3, 4);
  image.writeUInt32BE(16, 20);
  image.writeBigUInt64BE(1n << 20n, 24);
  image.writeUInt32BE(1, 36);
  image.writeBigUInt64BE(BigInt(2 * cluster), 40);
  image.writeBigUInt64BE(BigInt(cluster), 48);
  image.writeUInt32BE(1, 56);
  image.writeUInt32BE(4, 96);
  image.writeUInt32BE(104, 100);
  image.writeBigUInt64BE(BigInt(3 * cluster) | (1n << 63n), 2 * cluster);
  image.writeBigUInt64BE(BigInt(4 * cluster) | (1n << 63n), 3 * cluster);
  change(image);
  return image;
}

describe('image inspection', () => {
  it('accepts a sound qcow2 and tells its virtual size', async () => {
    await expect(inspect(qcow2(), 'qcow2')).resolves.toEqual({ virtualSizeBytes: 1 << 20 });
  });

  it.each<[string, RegExp, (image: Buffer) => void]>([
    ['a backing file', /backing file/, (image) => { image.writeBigUInt64BE(200n, 8); image.writeUInt32BE(11, 16); }],
    ['an external data file by feature', /another file/, (image) => image.writeBigUInt64BE(4n, 72)],
    ['an external data file by header extension', /another file/, (image) => { image.writeUInt32BE(0x44415441, 104); image.writeUInt32BE(8, 108); }],
    ['unknown features', /not known/, (image) => image.writeBigUInt64BE(1n << 40n, 72)],
    ['a version from the future', /version 9/, (image) => image.writeUInt32BE(9, 4)],
    ['a huge virtual size', /over the limit/, (image) => image.writeBigUInt64BE(1n << 60n, 24)],
    ['a huge L1 table', /larger than allowed/, (image) => image.writeUInt32BE(0x7fffffff, 36)],
    ['an L1 table beyond the end', /cut short/, (image) => image.writeBigUInt64BE(1n << 40n, 40)],
    ['an L2 table beyond the end', /cut short/, (image) => image.writeBigUInt64BE(1n << 40n, 2 * 65536)],
    ['data beyond the end', /cut short/, (image) => image.writeBigUInt64BE(1n << 40n, 3 * 65536)],
    ['absurd clusters', /cluster size/, (image) => image.writeUInt32BE(31, 20)],
    ['encryption', /encrypted/, (image) => image.writeUInt32BE(1, 32)],
  ])('refuses a qcow2 with %s', async (_, reason, change) => {
    await expect(inspect(qcow2(change), 'qcow2')).rejects.toThrow(reason);
  });

  it('refuses a qcow2 that was cut off, wherever', async () => {
    const whole = qcow2();
    for (const length of [50, 100, 65536, 2 * 65536 + 4, 3 * 65536 + 100, 4 * 65536]) {
      await expect(inspect(whole.subarray(0, length), 'qcow2')).rejects.toThrow(/cut short/);
    }
  });

  it('refuses a raw image that is something else', async () => {
    const iso = Buffer.alloc(0x9000); iso.write('CD001', 0x8001);
    const vhd = Buffer.alloc(4096); vhd.write('conectix', 4096 - 512);
    const vdi = Buffer.alloc(4096); vdi.writeUInt32BE(0x7f10dabe, 0x40);
    for (const [bytes, name] of [[qcow2(), 'qcow2'], [Buffer.from('KDMV....'), 'vmdk'], [Buffer.from('# Disk DescriptorFile\n'), 'vmdk'], [iso, 'iso'], [vhd, 'vhd'], [vdi, 'vdi']] as const) {
      await expect(inspect(bytes, 'raw')).rejects.toThrow(`The content is ${name}, and not raw as declared.`);
    }
    await expect(inspect(Buffer.alloc(1000, 7), 'raw')).resolves.toEqual({ virtualSizeBytes: 1000 });
    await expect(inspect(Buffer.alloc(0), 'raw')).resolves.toEqual({ virtualSizeBytes: 0 });
  });

  it('refuses plain bytes declared as qcow2', async () => {
    await expect(inspect(Buffer.alloc(1000), 'qcow2')).rejects.toThrow('The content is raw, and not qcow2 as declared.');
    expect(await inspectImage(source(Buffer.alloc(1000)), 'qcow2', { ...limits, admitPlain: true })).toEqual({ virtualSizeBytes: null });
    await expect(inspectImage(source(qcow2()), 'vmdk', { ...limits, admitPlain: true })).rejects.toThrow('The content is qcow2');
  });

  it('never reads out of bounds on noise behind a qcow2 magic', async () => {
    let seed = 42;
    const random = () => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) & 0xff;
    for (let round = 0; round < 300; round++) {
      const noise = qcow2((image) => { for (let i = 0; i < 20; i++) image[4 + (random() % 100)] = random(); });
      await inspect(noise, 'qcow2').catch((error: Error) => expect(error.constructor.name).toBe('ImageRefused'));
    }
  });
});
