import { badRequest, notFound, type RequestContext } from '@virga/core';
import type { Trx } from '../api/collection';
import { touchPort } from '../ports/port-rows';
import { resolveGroups } from './resolve-requested';

export interface GroupChange {
  instanceId: string;
  /** Name or id. */
  group: string;
  /** Whether the ports are to have it. */
  present: boolean;
}

/**
 * Gives all ports of an instance a security group, or takes it from them; returns the group's name. Throws
 * SecurityGroupNotFound for a group that the caller does not have, and for one to be taken away that no port has.
 */
export async function changeSecurityGroup(trx: Trx, caller: RequestContext, { instanceId, group, present }: GroupChange): Promise<string> {
  const [id] = await resolveGroups(trx, caller, [group]);
  if (id === undefined) throw notFound(`Security group ${group} not found.`, { type: 'SecurityGroupNotFound' });
  const { name } = await trx.selectFrom('security_groups').select('name').where('id', '=', id).executeTakeFirstOrThrow();
  const ports = await trx.selectFrom('ports').select(['id', 'port_security_enabled']).where('device_id', '=', instanceId).where('instance_position', 'is not', null).forUpdate().execute();
  const having = new Set((await trx.selectFrom('port_security_groups').select('port_id').where('security_group_id', '=', id)
    .where('port_id', 'in', ['', ...ports.map((port) => port.id)]).execute()).map((row) => row.port_id));
  if (!present && having.size === 0) throw notFound(`Security group ${group} not associated with the instance ${instanceId}`, { type: 'SecurityGroupNotFound' });
  const secured = ports.filter((port) => port.port_security_enabled);
  if (present && secured.length === 0) {
    throw badRequest('Network requires port_security_enabled and subnet associated in order to apply security groups.', { type: 'SecurityGroupCannotBeApplied' });
  }
  for (const port of secured.filter((one) => having.has(one.id) !== present)) {
    if (present) await trx.insertInto('port_security_groups').values({ port_id: port.id, security_group_id: id }).execute();
    else await trx.deleteFrom('port_security_groups').where('port_id', '=', port.id).where('security_group_id', '=', id).execute();
    await touchPort(trx, port.id);
  }
  return name;
}
