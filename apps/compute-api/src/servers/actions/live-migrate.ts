import { Type } from '@sinclair/typebox';
import { actorOf, badRequest, conflict } from '@virga/core';
import { SERVER_ACTIONS } from '@virga/domain';
import { beginLiveMigration } from '../../live-migration/begin';
import { findDestination, refusalOf, refuseDestination } from '../../live-migration/refuse-destination';
import { neighboursOn } from '../../neighbours';
import { getInstance } from '../server.repository';
import type { ActionHandler } from './action';
import { checkAction } from './start-action';

const Host = Type.Union([Type.Null(), Type.String({ minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9-._]*$' })]);
/** As nova reads booleans in requests. */
const Flag = Type.Union([Type.Boolean(), Type.String({ pattern: '^(?:[tT](?:rue|RUE)?|[fF](?:alse|ALSE)?|[yY](?:es|ES)?|[nN](?:o|O)?|on|On|ON|off|Off|OFF|0|1)$' })]);
const Block = Type.Union([Flag, Type.Literal('auto')]);
const strict = { additionalProperties: false };

interface Body { host: string | null; force?: boolean | string; block_migration: boolean | string }
const isTrue = (flag: boolean | string | undefined): boolean => flag === true || (typeof flag === 'string' && /^(t|y|on|1)/i.test(flag));

/**
 * Moves a running server to another host. Whether its disks must go along is seen; who says it is refused where it is not so. From 2.34 on the answer comes
 * before the destination is looked at, and a refusal shows in the server's history; before that it is the answer.
 */
export const liveMigrate: ActionHandler = {
  rule: SERVER_ACTIONS.liveMigrate.rule,
  schema: [
    ['2.1', Type.Object({ host: Host, block_migration: Flag, disk_over_commit: Flag }, strict)],
    ['2.25', Type.Object({ host: Host, block_migration: Block }, strict)],
    ['2.30', Type.Object({ host: Host, block_migration: Block, force: Type.Optional(Flag) }, strict)],
    ['2.68', Type.Object({ host: Host, block_migration: Block }, strict)],
  ],
  async run({ db, bus, policy, caller, serverId, at }, { host, force, block_migration: block }: Body) {
    const actor = actorOf(caller);
    const blockMigration = block === 'auto' ? undefined : isTrue(block);
    if (isTrue(force) && host === null) throw badRequest("Can't force to a non-provided destination");
    for (;;) {
      const row = await getInstance(db, caller, serverId);
      checkAction({ policy, caller }, 'liveMigrate', row);
      if (row.host_id === null || row.host === null) throw conflict(`Instance ${row.id} is not ready`);
      const destination = host === null ? undefined : await findDestination(db, host);
      if (host !== null && !destination) throw badRequest(`Compute host ${host} could not be found.`);
      if (destination && at < 34) {
        const reasons = await refuseDestination({ db, neighbours: neighboursOn(bus), actor, row, destination, forced: isTrue(force), claimed: false, blockMigration });
        if (reasons.length > 0) throw badRequest(refusalOf(destination.hostname, reasons));
      }
      const won = await beginLiveMigration(db, { row: { ...row, host_id: row.host_id, host: row.host }, actor, ...(host !== null && { host }), force: isTrue(force), blockMigration });
      if (won) return;
    }
  },
};
