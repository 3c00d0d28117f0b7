import { matchesExtraSpec } from './extra-specs';

it.each<[has: string, wanted: string, matches: boolean]>([
  ['ssd', 'ssd', true], ['ssd', 'hdd', false], ['ssd', 'SSD', false],
  ['8', '>= 8', true], ['7', '>= 8', false], ['8', '= 4', true], ['8', '== 8', true], ['8', '!= 8', false], ['8', '<= 8', true],
  ['abc', 's== abc', true], ['abc', 's!= abc', false], ['b', 's> a', true], ['b', 's< a', false],
  ['avx avx2', '<in> avx2', true], ['avx', '<in> sse', false],
  ['ssd', '<or> hdd <or> ssd', true], ['nvme', '<or> hdd <or> ssd', false],
  ['>=', '>=', true], ['constructor', 'constructor', true],
])('%j against %j: %s', (has, wanted, expected) => {
  expect(matchesExtraSpec(has, wanted)).toBe(expected);
});
