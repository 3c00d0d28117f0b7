import { numberParam, param, paramsToRecord, toNumber } from './typed-params';

describe('typed parameters', () => {
  const list = [
    param.ullong('memory_total', 1024),
    param.ullong('limit', 2n ** 64n - 1n),
    param.string('errmsg', 'no'),
    param.boolean('success', false),
    param.int('n', -1),
    param.double('d', 0.5),
  ];

  it('become an object whose 64-bit values are numbers where that is exact', () => {
    expect(paramsToRecord(list)).toEqual({
      memory_total: 1024, limit: 2n ** 64n - 1n, errmsg: 'no', success: false, n: -1, d: 0.5,
    });
  });

  it('are read one by one', () => {
    expect(numberParam(list, 'memory_total')).toBe(1024);
    expect(numberParam(list, 'n')).toBe(-1);
    expect(numberParam(list, 'absent', 7)).toBe(7);
    expect(numberParam(list, 'errmsg')).toBe(0);
    expect(() => numberParam(list, 'limit')).toThrow('does not fit');
  });

  it('never round', () => {
    expect(toNumber(2n ** 53n - 1n)).toBe(Number.MAX_SAFE_INTEGER);
    expect(() => toNumber(2n ** 53n)).toThrow('does not fit');
    expect(() => toNumber(-(2n ** 60n))).toThrow('does not fit');
  });
});
