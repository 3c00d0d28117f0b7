/**
 * Compares every row of the tables with libvirt's own definition, given a source tree:
 * `LIBVIRT_SOURCE=/path/to/libvirt npx jest upstream --selectProjects story`. Without one there is nothing to compare.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { calls, Program, programOf, rowOf } from './index';
import type { CallName } from './index';
import type { AnyCodec } from './codec';
import { domainEventNames, domainEvents, messageOf } from './events';
import type { XdrReader } from '../xdr';

const source = process.env['LIBVIRT_SOURCE'];

/** The wire items a codec reads, in order, found by letting it read from something that has one of everything. */
function shapeOf(codec: AnyCodec): string[] {
  const items: string[] = [];
  const note = <T>(item: string, value: T): T => (items.push(item), value);
  const reader = {
    int: () => note('int', 1),
    uint: () => note('uint', 1),
    hyper: () => note('hyper', 1n),
    uhyper: () => note('uhyper', 1n),
    double: () => note('double', 1),
    string: (max: number) => note(`string<${max}>`, ''),
    opaque: (max: number) => note(`opaque<${max}>`, Buffer.alloc(0)),
    fixed: (length: number) => note(`opaque[${length}]`, Buffer.alloc(length)),
    count: (max: number) => note(`list<${max}>`, 1),
  };
  codec.decode(reader as unknown as XdrReader);
  return items;
}

const SCALARS: Record<string, string[]> = {
  int: ['int'], char: ['int'], 'unsigned int': ['uint'], 'unsigned char': ['uint'], 'unsigned short': ['uint'],
  hyper: ['hyper'], 'unsigned hyper': ['uhyper'], double: ['double'],
  remote_nonnull_string: ['string<4194304>'], remote_uuid: ['opaque[16]'], remote_auth_type: ['int'],
  remote_typed_param_value: ['int', 'int'],
};

/** libvirt's definition files, as far as the comparison needs them. */
class Definitions {
  private readonly structs = new Map<string, string[]>();
  private readonly pointers = new Map<string, string>();
  private readonly limits = new Map<string, number>();
  private readonly procedures = new Map<string, string>();

  constructor(texts: Record<string, string>) {
    for (const [prefix, commented] of Object.entries(texts)) {
      const text = commented.replace(/\/\*[\s\S]*?\*\//g, '');
      for (const [, name, value] of text.matchAll(/const (\w+) *= *(\d+);/g)) this.limits.set(name!, Number(value));
      for (const [, target, name] of text.matchAll(/typedef (\w+) \*(\w+);/g)) this.pointers.set(name!, target!);
      for (const [, name, body] of text.matchAll(/struct (\w+) *\{([\s\S]*?)\n\};/g)) {
        this.structs.set(name!, body!.split('\n').map((line) => line.trim().replace(/;$/, '')).filter(Boolean));
      }
      for (const [, name, number] of text.matchAll(/_PROC_(\w+) = (\d+)/g)) this.procedures.set(`${prefix}/${number}`, name!.toLowerCase());
    }
  }

  /** The shape of a procedure's `args`, `ret` or `msg`; empty where it has none. */
  shape(prefix: string, number: number, part: string): string[] {
    const name = this.procedures.get(`${prefix}/${number}`);
    if (!name) throw new Error(`no procedure ${number}`);
    const type = `${prefix}_${name}_${part}`;
    return this.structs.has(type) ? this.type(type) : [];
  }

  private type(name: string): string[] {
    const scalar = SCALARS[name];
    if (scalar) return scalar;
    const target = this.pointers.get(name);
    if (target) return ['uint', ...this.type(target)];
    const fields = this.structs.get(name);
    if (!fields) throw new Error(`type ${name}`);
    return fields.flatMap((field) => this.field(field));
  }

  private field(field: string): string[] {
    const [, type, count, limit] = /^(.*?) +\w+(?:\[(\d+)\]|<(\w+)>)?$/.exec(field)!;
    const name = type!.replace(/\s+/g, ' ').trim();
    if (name === 'opaque') return [`opaque<${this.limits.get(limit!)}>`];
    if (count) return Array.from({ length: Number(count) }, () => this.type(name)).flat();
    return limit ? [`list<${this.limits.get(limit)}>`, ...this.type(name)] : this.type(name);
  }
}

describe('the tables agree with the source', () => {
  if (source === undefined) {
    it.skip('needs a source tree in LIBVIRT_SOURCE', () => undefined);
    return;
  }
  const read = (name: string): string => {
    const path = join(source, 'src/remote', name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  const upstream = new Definitions({ remote: read('remote_protocol.x'), qemu: read('qemu_protocol.x') });

  it.each(Object.keys(calls) as CallName[])('%s', (name) => {
    const row = rowOf(name);
    const prefix = programOf(name) === Program.QEMU ? 'qemu' : 'remote';
    expect(row.hasArgs ? shapeOf(row.args) : []).toEqual(upstream.shape(prefix, row.number, 'args'));
    expect(row.hasResult ? shapeOf(row.result) : []).toEqual(upstream.shape(prefix, row.number, 'ret'));
  });

  it.each(domainEventNames)('event %s', (name) => {
    expect(shapeOf(messageOf(name))).toEqual(upstream.shape('remote', domainEvents[name].number, 'msg'));
  });
});
