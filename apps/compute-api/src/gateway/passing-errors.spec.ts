import { notFound } from '@virga/core';
import type { conductorContract } from '@virga/contracts';
import type { Handlers } from '@virga/rpc';
import { tellPassingErrors } from './passing-errors';

const meta = { messageId: 'm', sender: 's', redelivered: false };
const failing = (error: unknown): Handlers<typeof conductorContract> => tellPassingErrors<typeof conductorContract>({ wake: () => Promise.reject(error) });

it('says that a request may be repeated when the database was away', async () => {
  await expect(failing(Object.assign(new Error('connect ECONNREFUSED /db'), { code: 'ECONNREFUSED' })).wake({ operationId: 'o' }, meta)).rejects.toMatchObject({ kind: 'unavailable', retryable: true });
});

it('leaves other errors as they are', async () => {
  const error = notFound('no such thing');
  await expect(failing(error).wake({ operationId: 'o' }, meta)).rejects.toBe(error);
});
