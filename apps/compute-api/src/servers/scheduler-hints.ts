import { badRequest } from '@virga/core';
import type { BuildArgs } from '../workflows/build-instance';
import type { CreateServerBody } from './create-server.schema';

/**
 * Hints in any of the places where clients put them. Those of filters that are not there are ignored, as in a nova
 * without these filters; a server group is refused, for there are none.
 */
export function schedulerHints(body: CreateServerBody): Pick<BuildArgs, 'sameHostAs' | 'differentHostFrom'> {
  const hints = {
    ...body['OS-SCH-HNT:scheduler_hints'], ...body['os:scheduler_hints'], ...body.server['OS-SCH-HNT:scheduler_hints'], ...body.server['os:scheduler_hints'],
  };
  if (hints.group !== undefined) throw badRequest(`Instance group ${hints.group} could not be found.`);
  return {
    ...(hints.same_host !== undefined && { sameHostAs: [hints.same_host].flat() }),
    ...(hints.different_host !== undefined && { differentHostFrom: [hints.different_host].flat() }),
  };
}
