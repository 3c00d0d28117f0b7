import { sharedJson } from './json';

it('parses a text once and a longer row of texts as often as needed', () => {
  const text = JSON.stringify({ a: [1] });
  expect(sharedJson<object>(text)).toEqual({ a: [1] });
  expect(sharedJson<object>(`${text}`)).toBe(sharedJson<object>(text));
  for (let n = 0; n < 1200; n++) expect(sharedJson<{ n: number }>(`{"n":${n}}`).n).toBe(n);
  expect(sharedJson<object>(text)).toEqual({ a: [1] });
});
