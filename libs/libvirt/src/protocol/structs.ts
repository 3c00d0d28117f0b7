/** Structures that several calls share. */
import { bytes, charArray, double, flags, hyper, int, intOr, list, nullable, string, struct, uhyper, uint, uuid } from './codec';
import type { Codec, InOf, OutOf } from './codec';
import { LibvirtProtocolError } from '../errors';

/** Upper bounds the daemon itself enforces on list fields. */
export const LIMIT = {
  objects: 16384,
  params: 64,
  statsParams: 262144,
  manyParams: 2048,
  cookie: 4 * 1024 * 1024,
  cells: 1024,
  cpumap: 2048,
  secret: 65536,
} as const;

const domainWire = struct({ name: string, uuid, id: int });

/** A domain as the daemon names it. `id` is -1 while it is not running; `uuid` is the only lasting key. */
export type Domain = OutOf<typeof domainWire>;
/** What identifies a domain in a call. The daemon looks it up by `uuid`; `name` only appears in its error texts. */
export interface DomainRef {
  uuid: string;
  name?: string;
  id?: number;
}

export const domain: Codec<Domain, DomainRef> = {
  minSize: domainWire.minSize,
  encode: (writer, ref) => domainWire.encode(writer, { uuid: ref.uuid, name: ref.name ?? '', id: ref.id ?? -1 }),
  decode: (reader) => domainWire.decode(reader),
};

export const network = struct({ name: string, uuid });
export const storagePool = struct({ name: string, uuid });
export const storageVolume = struct({ pool: string, name: string, key: string });
export const snapshot = struct({ name: string, dom: domain });
export const secret = struct({ uuid, usageType: int, usageId: string });
export const nwfilter = struct({ name: string, uuid });

export type StoragePool = OutOf<typeof storagePool>;
export type StorageVolume = OutOf<typeof storageVolume>;
export type Snapshot = OutOf<typeof snapshot>;
export type SnapshotRef = InOf<typeof snapshot>;
export type Secret = OutOf<typeof secret>;

/** The body of every reply with an error status. */
export const errorBody = struct({
  code: int,
  domain: int,
  message: nullable(string),
  level: int,
  dom: nullable(domain),
  str1: nullable(string),
  str2: nullable(string),
  str3: nullable(string),
  int1: int,
  int2: int,
  net: nullable(network),
});

/** Wire tags of a typed parameter. */
export const ParamType = { INT: 1, UINT: 2, LLONG: 3, ULLONG: 4, DOUBLE: 5, BOOLEAN: 6, STRING: 7 } as const;

export type TypedValue =
  | { type: 1 | 2 | 5; value: number }
  | { type: 3 | 4; value: bigint }
  | { type: 6; value: boolean }
  | { type: 7; value: string };
/** One named value whose wire type travels with it. Build them with `param.*`. */
export type TypedParam = { field: string } & TypedValue;

const arms: Record<number, Codec<unknown, never>> = {
  [ParamType.INT]: int,
  [ParamType.UINT]: uint,
  [ParamType.LLONG]: hyper,
  [ParamType.ULLONG]: uhyper,
  [ParamType.DOUBLE]: double,
  [ParamType.BOOLEAN]: { minSize: 4, encode: (w, v) => w.int(v ? 1 : 0), decode: (r) => r.int() !== 0 },
  [ParamType.STRING]: string,
};

const typedParam: Codec<TypedParam> = {
  minSize: 12,
  encode(writer, { field, type, value }) {
    const arm = arms[type];
    if (!arm) throw new LibvirtProtocolError(`typed parameter of type ${String(type)}`);
    string.encode(writer, field);
    writer.int(type);
    arm.encode(writer, value as never);
  },
  decode(reader) {
    const field = string.decode(reader);
    const type = reader.int();
    const arm = arms[type];
    if (!arm) throw new LibvirtProtocolError(`typed parameter of type ${type}`);
    return { field, type, value: arm.decode(reader) } as TypedParam;
  },
};

/** List of typed parameters. */
export const params = (max: number): Codec<TypedParam[], readonly TypedParam[]> => list(typedParam, max);

export { bytes, charArray, flags, hyper, int, intOr, list, nullable, string, struct, uhyper, uint, uuid };
