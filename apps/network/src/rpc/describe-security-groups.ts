import type { SecurityGroupFacts } from '@virga/contracts';
import type { Db } from '../db/tables';
import { groupBy } from '../db/group-by';

/** The groups on an instance's ports with their rules, each group once. */
export async function describeSecurityGroups(db: Db, instanceId: string): Promise<SecurityGroupFacts[]> {
  const groups = await db.selectFrom('security_groups as g').select(['g.id', 'g.name', 'g.description', 'g.project_id'])
    .where('g.id', 'in', (eb) => eb.selectFrom('port_security_groups as m').innerJoin('ports as p', 'p.id', 'm.port_id').select('m.security_group_id')
      .where('p.device_id', '=', instanceId).where('p.instance_position', 'is not', null)).orderBy('g.name').orderBy('g.id').execute();
  if (groups.length === 0) return [];
  const rules = await db.selectFrom('security_group_rules as r').leftJoin('security_groups as remote', 'remote.id', 'r.remote_group_id')
    .select(['r.id', 'r.security_group_id', 'r.direction', 'r.ethertype', 'r.protocol', 'r.port_range_min', 'r.port_range_max', 'r.remote_ip_prefix', 'remote.name as remote_name', 'remote.project_id as remote_project'])
    .where('r.security_group_id', 'in', groups.map(({ id }) => id)).orderBy('r.id').execute();
  const byGroup = groupBy(rules, ({ security_group_id }) => security_group_id);
  return groups.map((group) => ({
    id: group.id, name: group.name, description: group.description ?? '', projectId: group.project_id,
    rules: (byGroup.get(group.id) ?? []).map((rule) => ({
      id: rule.id, direction: rule.direction, ethertype: rule.ethertype, protocol: rule.protocol, portMin: rule.port_range_min, portMax: rule.port_range_max,
      remoteIpPrefix: rule.remote_ip_prefix, remoteGroup: rule.remote_name === null || rule.remote_project === null ? null : { name: rule.remote_name, projectId: rule.remote_project },
    })),
  }));
}
