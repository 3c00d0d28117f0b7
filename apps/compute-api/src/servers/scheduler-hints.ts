import { badRequest, isUuid, type RequestContext } from '@virga/core';
import { findServerGroup } from '../server-groups/server-group.repository';
import type { Db } from '../tokens';
import type { BuildArgs } from '../workflows/build-instance';
import type { CreateServerBody } from './create-server.schema';

/** Hints in any of the places where clients put them. Those of filters that are not there are ignored, as in a nova without these filters. */
export async function schedulerHints(db: Db, caller: RequestContext, body: CreateServerBody): Promise<{ hints: Pick<BuildArgs, 'sameHostAs' | 'differentHostFrom'>; groupId?: string }> {
  const hints = {
    ...body['OS-SCH-HNT:scheduler_hints'], ...body['os:scheduler_hints'], ...body.server['OS-SCH-HNT:scheduler_hints'], ...body.server['os:scheduler_hints'],
  };
  const { group } = hints;
  if (group !== undefined && !(isUuid(group) && await findServerGroup(db, caller, group))) throw badRequest(`Instance group ${group} could not be found.`);
  return {
    hints: {
      ...(hints.same_host !== undefined && { sameHostAs: [hints.same_host].flat() }),
      ...(hints.different_host !== undefined && { differentHostFrom: [hints.different_host].flat() }),
    },
    ...(group !== undefined && { groupId: group }),
  };
}
