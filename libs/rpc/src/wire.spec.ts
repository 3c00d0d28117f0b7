import { Type } from '@sinclair/typebox';
import { conflict, type Logger } from '@virga/core';
import { call, defineContract } from './contract';
import { trailOf } from './log-trail';
import { answerCall } from './wire';

const contract = defineContract('things', { make: call(Type.Object({}), Type.Object({})) });
const lines: Record<string, unknown>[] = [];
const logger = { info: (fields: Record<string, unknown>, message: string) => { lines.push({ ...fields, message }); } } as unknown as Logger;
const answer = (meta: Record<string, unknown>, make: () => Promise<object> = async () => ({})) =>
  answerCall(contract, { make } as never, 'make', Buffer.from('{}'), { messageId: 'm', sender: 'conductor', redelivered: false, ...meta }, logger);
beforeEach(() => { lines.length = 0; });

it('logs a call that belongs to a request with the ids of that request, and how it ended', async () => {
  await answer({ requestId: 'req-1', operationId: 'o1', instanceId: 'i1' });
  await answer({ requestId: 'req-1' }, () => Promise.reject(conflict('taken')));
  await answer({});
  expect(lines).toEqual([
    { requestId: 'req-1', operationId: 'o1', instanceId: 'i1', contract: 'things', method: 'make', sender: 'conductor', ms: expect.any(Number), message: 'call answered' },
    { requestId: 'req-1', contract: 'things', method: 'make', sender: 'conductor', ms: expect.any(Number), reason: 'taken', message: 'call answered' },
  ]);
});

it.each([['req-1\nforged'], ['x'.repeat(129)], [''], [7], [{ toString: 'x' }]])('takes no id from a message that does not look like one: %p', (value) => {
  expect(trailOf({ 'virga-request-id': value, 'virga-operation-id': 'o1', other: 'x' })).toEqual({ operationId: 'o1' });
});
