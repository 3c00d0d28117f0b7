import { calls, nameOf, programOf, rowOf } from './index';
import type { CallName } from './index';
import { LibvirtProtocolError } from '../errors';
import { XdrReader, XdrWriter } from '../xdr';
import type { Codec } from './codec';
import { charArray, flags, list, nullable, string, struct, uhyper, uint, uuid } from './codec';
import { domainEventNames, domainEvents, messageOf } from './events';
import { params } from './structs';

const UUID = '01234567-89ab-cdef-0123-456789abcdef';
const HEX = UUID.replaceAll('-', '');

function encode<Out, In>(codec: Codec<Out, In>, value: In): string {
  const writer = new XdrWriter(65536);
  codec.encode(writer, value);
  return writer.finish().toString('hex');
}
function decode<Out, In>(codec: Codec<Out, In>, hex: string): Out {
  const reader = new XdrReader(Buffer.from(hex, 'hex'));
  const value = codec.decode(reader);
  reader.end();
  return value;
}

describe('the call table', () => {
  const names = Object.keys(calls) as CallName[];

  it('gives each call of a program a number of its own and finds it back', () => {
    for (const name of names) expect(nameOf(programOf(name), calls[name].number)).toBe(name);
    expect(new Set(names.map((name) => `${programOf(name)}/${calls[name].number}`)).size).toBe(names.length);
  });

  it('keeps the QEMU calls in their own program', () => {
    expect(programOf('qemuMonitorCommand')).toBe(0x20008087);
    expect(programOf('connectOpen')).toBe(0x20008086);
  });

  it('knows what has no body', () => {
    expect(rowOf('connectClose')).toMatchObject({ hasArgs: false, hasResult: false });
    expect(rowOf('domainDestroyFlags')).toMatchObject({ hasArgs: true, hasResult: false });
  });

  // Byte sequences worked out by hand from the XDR rules, so that a codec and its inverse cannot err together.
  it.each<[string, () => string, string]>([
    ['a look-up', () => encode(calls.domainLookupByUuid.args, { uuid: UUID }), HEX],
    [
      'a domain without name and id',
      () => encode(calls.domainDestroyFlags.args, { dom: { uuid: UUID } }),
      `00000000${HEX}ffffffff00000000`,
    ],
    [
      'a domain with all',
      () => encode(calls.domainCreateWithFlags.args, { dom: { name: 'vm', uuid: UUID, id: 7 }, flags: 1 }),
      `00000002766d0000${HEX}0000000700000001`,
    ],
    [
      'optional text left out and given',
      () => encode(calls.connectGetDomainCapabilities.args, { arch: 'x86', virtType: null }),
      '00000000' + '0000000100000003' + '78383600' + '00000000' + '00000000' + '00000000',
    ],
    [
      'migration parameters',
      () => encode(calls.domainMigratePerform3Params.args, {
        dom: { uuid: UUID },
        destinationUri: 'q',
        params: [{ field: 'bandwidth', type: 4, value: 5n }, { field: 'u', type: 7, value: 'x' }],
        flags: 3,
      }),
      `00000000${HEX}ffffffff` + '000000010000000171000000' + '00000002'
        + '0000000962616e6477696474680000000000000400000000' + '00000005'
        + '0000000175000000' + '00000007' + '0000000178000000' + '00000000' + '00000003',
    ],
    ['bit 31 as JavaScript yields it', () => encode(flags, 1 | (1 << 31)), '80000001'],
  ])('encodes %s', (_name, encoded, hex) => {
    expect(encoded()).toBe(hex);
  });

  it('decodes host information, whose model takes four bytes a character', () => {
    const model = 'x86'.split('').map((c) => c.charCodeAt(0).toString(16).padStart(8, '0')).join('').padEnd(256, '0');
    const numbers = [2, 2600, 1, 1, 2, 1].map((n) => n.toString(16).padStart(8, '0')).join('');
    expect(decode(calls.nodeGetInfo.result, `${model}0000000000000400${numbers}`)).toEqual({
      model: 'x86', memory: 1024n, cpus: 2, mhz: 2600, nodes: 1, sockets: 1, cores: 2, threads: 1,
    });
  });

  it('decodes a list of domains', () => {
    expect(decode(calls.connectListAllDomains.result, `000000010000000161000000${HEX}ffffffff00000001`)).toEqual({
      domains: [{ name: 'a', uuid: UUID, id: -1 }],
      count: 1,
    });
  });
});

describe('the event table', () => {
  it('has unique ids and numbers', () => {
    expect(new Set(domainEventNames.map((name) => domainEvents[name].id)).size).toBe(domainEventNames.length);
    expect(new Set(domainEventNames.map((name) => domainEvents[name].number)).size).toBe(domainEventNames.length);
  });

  it('decodes a lifecycle event', () => {
    expect(decode(messageOf('lifecycle'), `00000009000000027631${'0000'}${HEX}0000000300000005${'00000001'}`)).toEqual({
      callbackId: 9, dom: { name: 'v1', uuid: UUID, id: 3 }, event: 5, detail: 1,
    });
  });

  it('finds the reason of power events before the domain', () => {
    expect(decode(messageOf('pmSuspend'), `0000000100000002${'00000000'}${HEX}ffffffff`)).toEqual({
      callbackId: 1, reason: 2, dom: { name: '', uuid: UUID, id: -1 },
    });
  });
});

describe('codecs', () => {
  it('go there and back', () => {
    const all = struct({ uuid, texts: list(string, 4), maybe: nullable(string), big: uhyper, name: charArray(4), params: params(9) });
    const value = {
      uuid: UUID,
      texts: ['', 'ü', 'abc'],
      maybe: null,
      big: 2n ** 64n - 1n,
      name: 'pc',
      params: [
        { field: 'i', type: 1 as const, value: -1 },
        { field: 'u', type: 2 as const, value: 4294967295 },
        { field: 'l', type: 3 as const, value: -5n },
        { field: 'U', type: 4 as const, value: 5n },
        { field: 'd', type: 5 as const, value: 0.5 },
        { field: 'b', type: 6 as const, value: true },
        { field: 's', type: 7 as const, value: '' },
      ],
    };
    expect(decode(all, encode(all, value))).toEqual(value);
  });

  it('names the field that does not fit', () => {
    expect(() => encode(struct({ inner: struct({ count: uint }) }), { inner: { count: -1 } })).toThrow('inner: count: -1');
  });

  it.each<[string, () => unknown]>([
    ['a uuid of other shape', () => encode(uuid, 'not-a-uuid')],
    ['too many elements', () => encode(list(uint, 2), [1, 2, 3])],
    ['too many elements from outside', () => decode(list(uint, 2), '00000003000000010000000200000003')],
    ['a pointer mark that is neither', () => decode(nullable(uint), '0000000200000000')],
    ['a parameter of unknown type', () => decode(params(1), '000000010000000161000000' + '00000009' + '00000000')],
    ['a parameter of unknown type going out', () => encode(params(1), [{ field: 'a', type: 9 as never, value: 1 }])],
    ['a count that would need gigabytes', () => decode(calls.connectListAllDomains.result, '00003fff00000000')],
    ['a name that is too long', () => encode(charArray(2), 'abc')],
  ])('refuse %s', (_name, run) => {
    expect(run).toThrow(LibvirtProtocolError);
  });
});
