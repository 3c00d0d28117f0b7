import { LibvirtProtocolError } from './errors';
import { XdrReader, XdrWriter } from './xdr';

const written = (write: (writer: XdrWriter) => void, limit = 1024): string => {
  const writer = new XdrWriter(limit, 4);
  write(writer);
  return writer.finish().toString('hex');
};
const reader = (hex: string): XdrReader => new XdrReader(Buffer.from(hex, 'hex'));

describe('writing', () => {
  it.each<[string, (writer: XdrWriter) => void, string]>([
    ['a negative int', (w) => w.int(-2), 'fffffffe'],
    ['the largest unsigned int', (w) => w.uint(0xffffffff), 'ffffffff'],
    ['a hyper from a number', (w) => w.hyper(-1), 'ffffffffffffffff'],
    ['the largest unsigned hyper', (w) => w.uhyper(2n ** 64n - 1n), 'ffffffffffffffff'],
    ['a double', (w) => w.double(1.5), '3ff8000000000000'],
    ['text with padding', (w) => w.string('hello', 10), '0000000568656c6c6f000000'],
    ['text of whole words', (w) => w.string('abcd', 10), '0000000461626364'],
    ['UTF-8', (w) => w.string('é', 10), '00000002c3a90000'],
    ['empty bytes', (w) => w.opaque(Buffer.alloc(0), 4), '00000000'],
  ])('%s', (_name, write, hex) => {
    expect(written(write)).toBe(hex);
  });

  it.each<[string, (writer: XdrWriter) => void]>([
    ['an int beyond 32 bits', (w) => w.int(2 ** 31)],
    ['a negative unsigned int', (w) => w.uint(-1)],
    ['a fraction', (w) => w.int(1.5)],
    ['not a number', (w) => w.uint(NaN)],
    ['an unsafe integer', (w) => w.uhyper(2 ** 53)],
    ['a negative unsigned hyper', (w) => w.uhyper(-1n)],
    ['a hyper beyond 64 bits', (w) => w.hyper(2n ** 63n)],
    ['NUL in text', (w) => w.string('a\0b', 10)],
    ['text that is too long', (w) => w.string('12345', 4)],
    ['text that is none', (w) => w.string(undefined as never, 4)],
    ['more than the limit', (w) => w.fixed(Buffer.alloc(1025))],
  ])('refuses %s', (_name, write) => {
    expect(() => written(write)).toThrow(LibvirtProtocolError);
  });

  it('grows past its first buffer', () => {
    const hex = written((w) => {
      for (let i = 0; i < 100; i += 1) w.uint(i);
    });
    expect(hex.length).toBe(800);
    expect(hex.slice(-8)).toBe('00000063');
  });
});

describe('reading', () => {
  it('gives back what was written', () => {
    const writer = new XdrWriter(1024);
    writer.int(-5);
    writer.uint(5);
    writer.hyper(-(2n ** 63n));
    writer.uhyper(2n ** 63n);
    writer.double(-0.25);
    writer.string('naïve', 100);
    writer.opaque(Buffer.from([1, 2, 3]), 3);
    const back = new XdrReader(writer.finish());
    expect([back.int(), back.uint(), back.hyper(), back.uhyper(), back.double(), back.string(100)]).toEqual([
      -5, 5, -(2n ** 63n), 2n ** 63n, -0.25, 'naïve',
    ]);
    expect(back.opaque(3)).toEqual(Buffer.from([1, 2, 3]));
    expect(() => back.end()).not.toThrow();
  });

  it.each<[string, string, (r: XdrReader) => unknown]>([
    ['a truncated int', '000000', (r) => r.int()],
    ['a truncated hyper', '00000000000000', (r) => r.uhyper()],
    ['text longer than the message', '0000000a616263', (r) => r.string(100)],
    ['text without its padding', '00000001' + '61', (r) => r.string(100)],
    ['text with dirty padding', '0000000161000001', (r) => r.string(100)],
    ['text above the bound', '0000000461626364', (r) => r.string(3)],
    ['NUL in text', '0000000361006200', (r) => r.string(100)],
    ['a count the bytes cannot hold', '00ffffff00000000', (r) => r.count(2 ** 31, 4)],
    ['a count above the bound', '0000000500000000', (r) => r.count(4, 0)],
  ])('refuses %s', (_name, hex, read) => {
    expect(() => read(reader(hex))).toThrow(LibvirtProtocolError);
  });

  it('reports left-over bytes', () => {
    const one = reader('0000000100000002');
    one.int();
    expect(() => one.end()).toThrow('4 bytes left over');
  });
});
