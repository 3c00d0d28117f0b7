import { ProtocolError } from './errors';
import { JsonStream } from './json-stream';
import { seeded } from './testing/random';

function collect(limits = {}): { stream: JsonStream; values: unknown[] } {
  const values: unknown[] = [];
  return { values, stream: new JsonStream((value) => values.push(value), limits) };
}

const messages = [
  { id: 1, result: {}, error: null },
  { text: 'braces } { ] [ and "quotes" and \\ at the end \\', nested: [{ a: [[]] }] },
  { 'ключ': 'zażółć 🦆 \u2028', empty: '' },
];
const wire = messages.map((message) => JSON.stringify(message)).join('');

test('values that follow each other without separators come out one by one, at once or byte by byte', () => {
  const whole = collect();
  whole.stream.push(Buffer.from(wire));
  expect(whole.values).toEqual(messages);
  const single = collect();
  for (const byte of Buffer.from(wire)) single.stream.push(Buffer.from([byte]));
  expect(single.values).toEqual(messages);
  expect(single.stream.pendingBytes).toBe(0);
});

test.each([1, 2, 3, 4, 5])('any cut gives the same values (seed %i)', (seed) => {
  const random = seeded(seed);
  const { stream, values } = collect();
  const bytes = Buffer.from(wire.repeat(20));
  for (let at = 0; at < bytes.length; ) {
    const size = random.below(40);
    stream.push(bytes.subarray(at, at + size));
    at += size;
  }
  expect(values).toHaveLength(60);
  expect(values.slice(57)).toEqual(messages);
});

test('a value is handed out with its last byte, and a buffer may be reused afterwards', () => {
  const { stream, values } = collect();
  const buffer = Buffer.from('{"a":"12');
  stream.push(buffer);
  buffer.fill(0x20);
  stream.push(Buffer.from('3"'));
  expect(values).toEqual([]);
  stream.push(Buffer.from('}'));
  expect(values).toEqual([{ a: '123' }]);
});

test('whitespace between values is skipped', () => {
  const { stream, values } = collect();
  stream.push(Buffer.from(' {"a":1}\r\n\t{ "b" : 2 }\n'));
  expect(values).toEqual([{ a: 1 }, { b: 2 }]);
  expect(stream.pendingBytes).toBe(0);
});

test.each(['garbage', '[1]', '"text"', '}', '{]', '{"a":1}}', '{"a":01}', '{\'a\':1}', '\u0000', '{"a":"\n"}'])('%j is refused, and so is all that follows', (text) => {
  const { stream, values } = collect();
  expect(() => stream.push(Buffer.from(`${text}]}`))).toThrow(ProtocolError);
  const before = values.length;
  expect(() => stream.push(Buffer.from('{}'))).toThrow(ProtocolError);
  expect(values).toHaveLength(before);
});

test('text that is not UTF-8 is refused', () => {
  const { stream } = collect();
  expect(() => stream.push(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]))).toThrow(ProtocolError);
});

test('a value over the limit is refused before more of it is kept', () => {
  const { stream } = collect({ maxBytes: 100_000 });
  stream.push(Buffer.from('{"a":"'));
  const piece = Buffer.alloc(10_000, 0x61);
  let refused = false;
  for (let i = 0; i < 100 && !refused; i++) {
    try {
      stream.push(piece);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
      refused = true;
    }
    expect(stream.pendingBytes).toBeLessThanOrEqual(100_000);
  }
  expect(refused).toBe(true);
  expect(stream.pendingBytes).toBe(0);
});

test('a value of exactly the limit passes', () => {
  const text = JSON.stringify({ a: 'x'.repeat(50) });
  const { stream, values } = collect({ maxBytes: text.length });
  stream.push(Buffer.from(text));
  expect(values).toHaveLength(1);
});

test('nesting is bounded', () => {
  const { stream } = collect({ maxDepth: 10 });
  stream.push(Buffer.from(`{"a":${'['.repeat(9)}${']'.repeat(9)}}`));
  expect(() => stream.push(Buffer.from(`{"a":${'['.repeat(10)}`))).toThrow(/deeper/);
});
