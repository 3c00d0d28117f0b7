import { Type } from '@sinclair/typebox';
import { conflict } from '@virga/core';
import { SERVER_ACTIONS } from '@virga/domain';
import { askHost } from '../../hosts/ask-host';
import { getInstance } from '../server.repository';
import type { ActionHandler } from './action';

const Length = Type.Object({
  length: Type.Optional(Type.Union([Type.Integer({ minimum: -1 }), Type.String({ pattern: '^(-1|[0-9]+)$', maxLength: 10 }), Type.Null()])),
}, { additionalProperties: false });

/** Control sequences as a whole, so that nothing of them is left as text; strings for the terminal end at BEL or ST, or with their line. Source: ECMA-48. */
// eslint-disable-next-line no-control-regex
const SEQUENCES = /\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b\n]*(?:\x07|\x1b\\)?|[ -/]+[0-~]|[0-Z\\`-~])/g;
// eslint-disable-next-line no-control-regex
const UNPRINTABLE = /[\x00-\x08\x0b-\x1f\x7f-\x9f]/g;

/** Text that no terminal obeys. */
export const plainText = (output: string): string => output.replace(SEQUENCES, '').replace(UNPRINTABLE, '');

/** What the guest has printed on its serial console: the last `length` lines, or all. */
export const consoleOutput: ActionHandler = {
  rule: SERVER_ACTIONS.consoleOutput.rule,
  schema: [['2.1', Length]],
  status: 200,
  async run({ db, bus, caller, serverId }, { length }: { length?: number | string | null }) {
    const row = await getInstance(db, caller, serverId);
    if (row.host_id === null) throw conflict(`Instance ${serverId} is not ready`);
    const lines = length === undefined || length === null || Number(length) < 0 ? undefined : Number(length);
    const { outputBase64 } = await askHost({ db, bus }, row.host_id, (host) => host.consoleOutput({ instanceId: serverId, ...(lines !== undefined && { lines }) }));
    return { output: plainText(Buffer.from(outputBase64, 'base64').toString('utf8')) };
  },
};
