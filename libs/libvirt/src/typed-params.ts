/** Building and reading typed parameters, and the edge between 64-bit values and JavaScript numbers. */
import { LibvirtProtocolError } from './errors';
import { ParamType } from './protocol/structs';
import type { TypedParam } from './protocol/structs';

/** Builders; the wire type is part of each parameter's contract in libvirt's documentation. */
export const param = {
  int: (field: string, value: number): TypedParam => ({ field, type: ParamType.INT, value }),
  uint: (field: string, value: number): TypedParam => ({ field, type: ParamType.UINT, value }),
  llong: (field: string, value: bigint | number): TypedParam => ({ field, type: ParamType.LLONG, value: BigInt(value) }),
  ullong: (field: string, value: bigint | number): TypedParam => ({ field, type: ParamType.ULLONG, value: BigInt(value) }),
  double: (field: string, value: number): TypedParam => ({ field, type: ParamType.DOUBLE, value }),
  boolean: (field: string, value: boolean): TypedParam => ({ field, type: ParamType.BOOLEAN, value }),
  string: (field: string, value: string): TypedParam => ({ field, type: ParamType.STRING, value }),
};

/** Exact conversion; throws {@link LibvirtProtocolError} beyond 2^53, where a number would be rounded. */
export function toNumber(value: bigint): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new LibvirtProtocolError(`${value} does not fit a number`);
  return number;
}

/**
 * Parameters as an object. 64-bit values become numbers when that is exact and stay `bigint` otherwise (libvirt uses
 * 2^64-1 for "no limit"). A field that is repeated keeps its last value.
 */
export function paramsToRecord(params: readonly TypedParam[]): Record<string, number | bigint | boolean | string> {
  return Object.fromEntries(
    params.map(({ field, value }) => [
      field,
      typeof value === 'bigint' && Number.isSafeInteger(Number(value)) ? Number(value) : value,
    ]),
  );
}

/** The numeric parameter `field`, or `fallback` when it is absent or not numeric. Throws beyond 2^53. */
export function numberParam(params: readonly TypedParam[], field: string, fallback = 0): number {
  const value = params.find((one) => one.field === field)?.value;
  if (typeof value === 'bigint') return toNumber(value);
  return typeof value === 'number' ? value : fallback;
}
