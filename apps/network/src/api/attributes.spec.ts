import { Type } from '@sinclair/typebox';
import { checkAttribute, decodeRow, encodeColumns, readInput, unwrapBody, withDefaults, type Attributes } from './attributes';

const attributes: Attributes = {
  id: { schema: Type.String() },
  project_id: { schema: Type.String(), in: 'post' },
  name: { schema: Type.String({ maxLength: 5 }), in: 'both', default: '' },
  'router:external': { schema: Type.Boolean(), in: 'both', default: false, column: 'external' },
  size: { schema: Type.Integer({ minimum: 1 }), in: 'post', required: true },
  list: { schema: Type.Union([Type.Array(Type.String()), Type.Null()]), in: 'both', default: [] },
  made: { schema: Type.Array(Type.String()), column: false },
};
const messageOf = (work: () => unknown): string => { try { work(); return ''; } catch (error) { return (error as Error).message; } };

describe('attributes', () => {
  it('are read as neutron reads them', () => {
    expect(readInput(attributes, { size: '3', 'router:external': 'True', tenant_id: 'p' }, 'post')).toEqual({ size: 3, 'router:external': true, project_id: 'p' });
    expect(messageOf(() => readInput(attributes, { size: 1, nosuch: 1 }, 'post'))).toBe("Unrecognized attribute(s) 'nosuch'");
    expect(messageOf(() => readInput(attributes, {}, 'post'))).toBe("Failed to parse request. Required attribute 'size' not specified");
    expect(messageOf(() => readInput(attributes, { size: 1, id: 'x' }, 'post'))).toBe("Attribute 'id' not allowed in POST");
    expect(messageOf(() => readInput(attributes, { size: 1 }, 'put'))).toBe('Cannot update read-only attribute size');
    expect(messageOf(() => readInput(attributes, { name: 'toolong' }, 'put'))).toBe("Invalid input for name. Reason: 'toolong' exceeds maximum length of 5.");
    expect(messageOf(() => readInput(attributes, { 'router:external': 'maybe' }, 'put'))).toBe("Invalid input for router:external. Reason: 'maybe' cannot be converted to boolean.");
    expect(messageOf(() => readInput(attributes, { name: null }, 'put'))).toContain("is not of type 'string'");
    expect(messageOf(() => readInput(attributes, { constructor: 1 }, 'put'))).toBe("Unrecognized attribute(s) 'constructor'");
    expect(messageOf(() => checkAttribute('list', attributes.list!, [1]))).not.toBe('');
  });

  it('are found below the name of the resource', () => {
    expect(unwrapBody({ thing: { a: 1 } }, 'thing')).toEqual({ a: 1 });
    for (const body of [null, undefined, [], 'x', 5, {}, { other: {} }]) expect(messageOf(() => unwrapBody(body, 'thing'))).toBe("Unable to find 'thing' in request body");
    for (const inner of [null, [], 'x', 5]) expect(messageOf(() => unwrapBody({ thing: inner }, 'thing'))).toBe('Body contains invalid data');
  });

  it('go into columns and come back', () => {
    const input = withDefaults(attributes, { size: 2, project_id: 'p', made: ['x'] });
    const columns = encodeColumns(attributes, input);
    expect(columns).toEqual({ size: 2, project_id: 'p', name: '', external: 0, list: '[]' });
    expect(decodeRow(attributes, { ...columns, id: 'i', secret: 'never shown' })).toEqual({ id: 'i', project_id: 'p', name: '', 'router:external': false, size: 2, list: [] });
  });

  it('never share a default', () => {
    (withDefaults(attributes, {}).list as string[]).push('x');
    expect(withDefaults(attributes, {}).list).toEqual([]);
  });
});
