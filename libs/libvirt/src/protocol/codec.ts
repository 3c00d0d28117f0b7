/**
 * The vocabulary of the definition tables. A codec both describes a wire type and carries its TypeScript types, so
 * that a table row is the only place where a call is declared.
 */
import { LibvirtProtocolError } from '../errors';
import { XdrReader, XdrWriter } from '../xdr';

/** One wire type. `Out` is what decoding gives, `In` what encoding accepts (often more lenient). */
export interface Codec<Out, In = Out> {
  encode(writer: XdrWriter, value: In): void;
  decode(reader: XdrReader): Out;
  /** Fewest bytes a value takes, to judge element counts. */
  readonly minSize: number;
}

/* eslint-disable @typescript-eslint/no-explicit-any */
export type AnyCodec = Codec<any, any>;
/* eslint-enable @typescript-eslint/no-explicit-any */
export type OutOf<C> = C extends Codec<infer Out, infer _In> ? Out : never;
export type InOf<C> = C extends Codec<infer _Out, infer In> ? In : never;

/** Fields of a structure, in wire order. */
export type Fields = Record<string, AnyCodec>;
type OptionalKeys<F extends Fields> = { [K in keyof F]: undefined extends InOf<F[K]> ? K : never }[keyof F];
type Flatten<T> = { [K in keyof T]: T[K] };
export type OutFields<F extends Fields> = Flatten<{ [K in keyof F]: OutOf<F[K]> }>;
export type InFields<F extends Fields> = Flatten<
  { [K in Exclude<keyof F, OptionalKeys<F>>]: InOf<F[K]> } & { [K in OptionalKeys<F>]?: InOf<F[K]> }
>;

const STRING_MAX = 4 * 1024 * 1024;

export const int: Codec<number> = { minSize: 4, encode: (w, v) => w.int(v), decode: (r) => r.int() };
export const uint: Codec<number> = { minSize: 4, encode: (w, v) => w.uint(v), decode: (r) => r.uint() };
/** Signed 64 bits: `bigint` out, `bigint` or a safe `number` in. */
export const hyper: Codec<bigint, bigint | number> = { minSize: 8, encode: (w, v) => w.hyper(v), decode: (r) => r.hyper() };
/** Unsigned 64 bits: `bigint` out, `bigint` or a safe `number` in. */
export const uhyper: Codec<bigint, bigint | number> = { minSize: 8, encode: (w, v) => w.uhyper(v), decode: (r) => r.uhyper() };
export const double: Codec<number> = { minSize: 8, encode: (w, v) => w.double(v), decode: (r) => r.double() };
export const string: Codec<string> = { minSize: 4, encode: (w, v) => w.string(v, STRING_MAX), decode: (r) => r.string(STRING_MAX) };
/** Bit mask, zero when left out. Bit 31 may be given negative, as JavaScript's bit operators yield it. */
export const flags: Codec<number, number | undefined> = { minSize: 4, encode: (w, v = 0) => w.uint(v < 0 && v >= -(2 ** 31) ? v + 2 ** 32 : v), decode: (r) => r.uint() };
/** C truth value in an int. */
export const bool: Codec<boolean> = { minSize: 4, encode: (w, v) => w.int(v ? 1 : 0), decode: (r) => r.int() !== 0 };

/** An int that is `fallback` when the caller leaves it out. */
export function intOr(fallback: number): Codec<number, number | undefined> {
  return { minSize: 4, encode: (w, v) => w.int(v ?? fallback), decode: (r) => r.int() };
}

/** A pointer: absent or one value. */
export function nullable<Out, In>(inner: Codec<Out, In>): Codec<Out | null, In | null | undefined> {
  return {
    minSize: 4,
    encode(writer, value) {
      writer.int(value == null ? 0 : 1);
      if (value != null) inner.encode(writer, value);
    },
    decode(reader) {
      const present = reader.uint();
      if (present > 1) throw new LibvirtProtocolError(`pointer mark ${present}`);
      return present ? inner.decode(reader) : null;
    },
  };
}

/** Counted list of at most `max` elements. */
export function list<Out, In>(inner: Codec<Out, In>, max: number): Codec<Out[], readonly In[]> {
  return {
    minSize: 4,
    encode(writer, values) {
      if (values.length > max) throw new LibvirtProtocolError(`${values.length} elements where at most ${max} fit`);
      writer.uint(values.length);
      for (const value of values) inner.encode(writer, value);
    },
    decode(reader) {
      const count = reader.count(max, inner.minSize);
      const values = new Array<Out>(count);
      for (let i = 0; i < count; i += 1) values[i] = inner.decode(reader);
      return values;
    },
  };
}

/** Counted bytes of at most `max`. Empty when left out. */
export function bytes(max: number): Codec<Buffer, Uint8Array | undefined> {
  return { minSize: 4, encode: (w, v) => w.opaque(v ?? new Uint8Array(), max), decode: (r) => r.opaque(max) };
}

/** C `char name[length]`: each character takes four bytes on the wire, text ends at the first NUL. */
export function charArray(length: number): Codec<string> {
  return {
    minSize: length * 4,
    encode(writer, value) {
      const text = Buffer.from(value, 'latin1');
      if (text.length > length) throw new LibvirtProtocolError(`${text.length} characters where ${length} fit`);
      for (let i = 0; i < length; i += 1) writer.int(text[i] ?? 0);
    },
    decode(reader) {
      const text: number[] = [];
      for (let i = 0; i < length; i += 1) text.push(reader.int() & 0xff);
      const end = text.indexOf(0);
      return Buffer.from(end < 0 ? text : text.slice(0, end)).toString('latin1');
    },
  };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Sixteen bytes, shown as the dashed lower-case form. */
export const uuid: Codec<string> = {
  minSize: 16,
  encode(writer, value) {
    if (!UUID.test(value)) throw new LibvirtProtocolError('not a uuid');
    writer.fixed(Buffer.from(value.replaceAll('-', ''), 'hex'));
  },
  decode(reader) {
    const hex = reader.fixed(16).toString('hex');
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
  },
};

/** A structure; the order of the keys is the order on the wire. */
export function struct<F extends Fields>(fields: F): Codec<OutFields<F>, InFields<F>> {
  const entries = Object.entries(fields);
  return {
    minSize: entries.reduce((sum, [, codec]) => sum + codec.minSize, 0),
    encode(writer, value) {
      const source = value as Record<string, unknown>;
      for (const [name, codec] of entries) {
        try {
          codec.encode(writer, source[name]);
        } catch (error) {
          if (error instanceof LibvirtProtocolError) throw new LibvirtProtocolError(`${name}: ${error.message}`);
          throw error;
        }
      }
    },
    decode(reader) {
      const value: Record<string, unknown> = {};
      for (const [name, codec] of entries) value[name] = codec.decode(reader);
      return value as OutFields<F>;
    },
  };
}

/** A row of a call table: procedure number, argument fields, result fields. */
export interface Call<A extends Fields = Fields, R extends Fields = Fields> {
  readonly number: number;
  readonly args: Codec<OutFields<A>, InFields<A>>;
  readonly result: Codec<OutFields<R>, InFields<R>>;
  readonly hasArgs: boolean;
  readonly hasResult: boolean;
}

/** Declares a call. `{}` means that no body is sent or expected. */
export function call<A extends Fields, R extends Fields = Record<never, AnyCodec>>(number: number, args: A, result?: R): Call<A, R> {
  const results = result ?? ({} as R);
  return {
    number,
    args: struct(args),
    result: struct(results),
    hasArgs: Object.keys(args).length > 0,
    hasResult: Object.keys(results).length > 0,
  };
}
