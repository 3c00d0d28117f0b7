import { currentLogFields, type LogFields } from '@virga/core';
import type { MessageMeta } from './contract';

/** Log fields that go along with every message, so that one search finds a request's lines in all services; by header. */
const TRAIL = { requestId: 'virga-request-id', operationId: 'virga-operation-id', instanceId: 'virga-instance-id' } as const;
type Trail = Pick<MessageMeta, keyof typeof TRAIL>;
const FIELDS = Object.keys(TRAIL) as (keyof typeof TRAIL)[];

/** What a sender writes is taken into logs only if it looks like an id. */
const ID = /^[\w.:-]{1,128}$/;

const pick = (read: (field: keyof typeof TRAIL) => unknown): Trail =>
  Object.fromEntries(FIELDS.flatMap((field) => { const value = read(field); return typeof value === 'string' && ID.test(value) ? [[field, value]] : []; }));

/** The trail of what runs now. */
export const currentTrail = (): Trail => { const fields = currentLogFields(); return pick((field) => fields[field]); };

export const trailHeaders = (): Record<string, string> =>
  Object.fromEntries(Object.entries(currentTrail()).map(([field, value]) => [TRAIL[field as keyof typeof TRAIL], value]));

export const trailOf = (headers: Record<string, unknown>): Trail => pick((field) => headers[TRAIL[field]]);

/** Fields for the log lines of a message's handler. */
export const logFields = (meta: MessageMeta): LogFields => pick((field) => meta[field]) as LogFields;
