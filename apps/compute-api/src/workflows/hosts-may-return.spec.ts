import { conflict, unavailable } from '@virga/core';
import { unlessHostsMayReturn } from './hosts-may-return';

const refusal = (filter: string, removed: number) => conflict('No valid host was found.', { type: 'NoValidHost', details: { filters: [{ filter, before: 2, removed, reason: '' }] } });

it.each([
  ['hosts were silent, the first time', refusal('alive', 2), 0, true],
  ['hosts were silent, again and again', refusal('alive', 2), 6, false],
  ['no host was silent', refusal('alive', 0), 0, false],
  ['hosts were full', refusal('memory', 2), 0, false],
])('%s', (_, error, tries, passing) => expect(unlessHostsMayReturn(error, tries)).toEqual(passing ? expect.objectContaining({ kind: 'unavailable', retryable: true, message: error.message }) : error));

it('leaves other errors as they are', () => {
  const error = unavailable('away');
  expect(unlessHostsMayReturn(error, 0)).toBe(error);
});
