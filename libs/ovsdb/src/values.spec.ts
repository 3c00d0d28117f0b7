import type { ColumnType } from './database-schema';
import { InvalidRequestError, ProtocolError } from './errors';
import { NamedUuid } from './model';
import { applyDifference, decodeValue, defaultValue, encodeMutation, encodeValue, sameValue } from './values';

const id = '01234567-89ab-4cde-8f01-23456789abcd';
const other = 'ffffffff-89ab-4cde-8f01-23456789abcd';
const one = (key: ColumnType['key']): ColumnType => ({ key, min: 1, max: 1 });
const optional = (key: ColumnType['key']): ColumnType => ({ key, min: 0, max: 1 });
const set = (key: ColumnType['key']): ColumnType => ({ key, min: 0, max: Infinity });
const map: ColumnType = { key: 'string', value: 'string', min: 0, max: Infinity };
const queues: ColumnType = { key: 'integer', value: 'uuid', min: 0, max: Infinity };

test.each<[ColumnType, unknown, unknown]>([
  [one('integer'), 5, 5],
  [one('real'), 0.5, 0.5],
  [one('boolean'), false, false],
  [one('string'), '', ''],
  [one('uuid'), id, ['uuid', id]],
  [one('uuid'), new NamedUuid('row1', 'T'), ['named-uuid', 'row1']],
  [optional('string'), null, ['set', []]],
  [optional('string'), 'x', 'x'],
  [set('string'), [], ['set', []]],
  [set('string'), ['a', 'b'], ['set', ['a', 'b']]],
  [set('uuid'), new Set([id]), ['set', [['uuid', id]]]],
  [map, { a: '1', b: undefined }, ['map', [['a', '1']]]],
  [map, new Map([['a', '1']]), ['map', [['a', '1']]]],
  [queues, { 3: id }, ['map', [[3, ['uuid', id]]]]],
])('encodes %j %j', (type, value, wire) => {
  expect(encodeValue(type, value, 'T.c')).toEqual(wire);
});

test.each<[ColumnType, unknown]>([
  [one('integer'), 1.5],
  [one('integer'), 2 ** 60],
  [one('integer'), '5'],
  [one('real'), NaN],
  [one('real'), Infinity],
  [one('boolean'), 1],
  [one('string'), null],
  [one('string'), ['a']],
  [one('uuid'), 'not-a-uuid'],
  [one('uuid'), ''],
  [set('string'), ['a', 5]],
  [set('string'), [null]],
  [map, ['a']],
  [map, { a: 5 }],
  [map, null],
  [queues, { x: id }],
  [queues, { '': id }],
])('refuses %j %j and names the column', (type, value) => {
  expect(() => encodeValue(type, value, 'T.c')).toThrow(InvalidRequestError);
  expect(() => encodeValue(type, value, 'T.c')).toThrow(/T\.c/);
});

test('mutations: members for insert and delete, keys or pairs to delete from a map, numbers for arithmetic', () => {
  expect(encodeMutation(set('uuid'), 'insert', [id], 'c')).toEqual(['set', [['uuid', id]]]);
  expect(encodeMutation(map, 'insert', { a: '1' }, 'c')).toEqual(['map', [['a', '1']]]);
  expect(encodeMutation(map, 'delete', ['a'], 'c')).toEqual(['set', ['a']]);
  expect(encodeMutation(map, 'delete', new Set(['a']), 'c')).toEqual(['set', ['a']]);
  expect(encodeMutation(map, 'delete', { a: '1' }, 'c')).toEqual(['map', [['a', '1']]]);
  expect(encodeMutation(one('integer'), '+=', 2, 'c')).toBe(2);
  expect(() => encodeMutation(one('integer'), '+=', '2', 'c')).toThrow(InvalidRequestError);
});

test.each<[ColumnType, unknown, unknown]>([
  [one('uuid'), ['uuid', id], id],
  [optional('string'), ['set', []], null],
  [optional('string'), 'x', 'x'],
  [optional('string'), ['set', ['x']], 'x'],
  [set('string'), 'x', ['x']],
  [set('uuid'), ['uuid', id], [id]],
  [set('uuid'), ['set', [['uuid', id], ['uuid', other]]], [id, other]],
  [map, ['map', []], {}],
  [queues, ['map', [[3, ['uuid', id]]]], { 3: id }],
])('decodes %j %j', (type, wire, value) => {
  expect(decodeValue(type, wire)).toEqual(value);
});

test.each<[ColumnType, unknown]>([
  [one('integer'), 'x'],
  [one('string'), undefined],
  [one('uuid'), id],
  [one('uuid'), ['named-uuid', 'x']],
  [set('string'), ['set', 'x']],
  [map, {}],
  [map, ['map', [['a']]]],
  [map, ['set', []]],
])('a server that sends %j %j breaks the protocol', (type, wire) => {
  expect(() => decodeValue(type, wire)).toThrow(ProtocolError);
});

test('a key like __proto__ is a key like any other', () => {
  const value = decodeValue(map, ['map', [['__proto__', 'x'], ['constructor', 'y']]]);
  expect(Object.keys(value as object)).toEqual(['__proto__', 'constructor']);
  const changed = applyDifference(map, value, ['map', [['__proto__', 'x'], ['a', '1']]]);
  expect(Object.entries(changed as object)).toEqual([['constructor', 'y'], ['a', '1']]);
});

test('differences: scalars and optionals whole, members of sets and pairs of maps toggled', () => {
  expect(applyDifference(one('string'), 'old', 'new')).toBe('new');
  expect(applyDifference(optional('string'), 'old', ['set', []])).toBeNull();
  expect(applyDifference(set('string'), ['a', 'b'], ['set', ['b', 'c']])).toEqual(['a', 'c']);
  expect(applyDifference(set('string'), ['a'], 'a')).toEqual([]);
  expect(applyDifference(map, { same: '1', gone: '2', new: '3' }, ['map', [['gone', '2'], ['new', '4'], ['more', '5']]])).toEqual({ same: '1', new: '4', more: '5' });
});

test('defaults follow the type', () => {
  expect([one('integer'), one('boolean'), one('string'), optional('uuid'), set('uuid'), map].map(defaultValue)).toEqual([0, false, '', null, [], {}]);
  expect(defaultValue({ key: 'integer', min: 1, max: 3 })).toEqual([0]);
});

test('sameValue ignores order and nothing else', () => {
  expect(sameValue(['a', 'b'], ['b', 'a'])).toBe(true);
  expect(sameValue({ a: '1', b: '2' }, { b: '2', a: '1' })).toBe(true);
  expect(sameValue({ a: '1' }, { b: '1' })).toBe(false);
  expect(sameValue(['a'], ['b'])).toBe(false);
  expect(sameValue(['a'], { 0: 'a' })).toBe(false);
  expect(sameValue(null, [])).toBe(false);
  expect(sameValue(0, false)).toBe(false);
});
