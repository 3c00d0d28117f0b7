import { badRequest } from '@virga/core';
import { sql } from '@virga/db';
import { canonicalAddress } from '@virga/domain';
import type { Collection, Row, View } from '../api/collection';
import type { Db } from '../db/tables';
import { visibleNetwork } from '../networks/visible-network';
import { grantsOf } from '../rbac-policies/grants';
import { PORT_ATTRIBUTES } from './port.attributes';
import { createPort, removePort, updatePort } from './port.verbs';

/** What the host of a bound port has to know: Open vSwitch, and filters are OVN's. */
const VIF_DETAILS = { port_filter: true, connectivity: 'l2', bound_drivers: { '0': 'ovn' } };

export async function fixedIpsOf(db: Db, portIds: string[]): Promise<Map<string, { subnet_id: string; ip_address: string }[]>> {
  const rows = await db.selectFrom('ip_allocations').select(['port_id', 'subnet_id', 'address']).where('port_id', 'in', portIds).orderBy('position').execute();
  const byPort = new Map<string, { subnet_id: string; ip_address: string }[]>();
  for (const { port_id, subnet_id, address } of rows) byPort.set(port_id, [...(byPort.get(port_id) ?? []), { subnet_id, ip_address: address }]);
  return byPort;
}

async function groupsOf(db: Db, portIds: string[]): Promise<Map<string, string[]>> {
  const rows = await db.selectFrom('port_security_groups').selectAll().where('port_id', 'in', portIds).orderBy('security_group_id').execute();
  const byPort = new Map<string, string[]>();
  for (const { port_id, security_group_id } of rows) byPort.set(port_id, [...(byPort.get(port_id) ?? []), security_group_id]);
  return byPort;
}

/** `ip_address=10.0.0.5`, `ip_address_substr=10.0.`, `subnet_id=...`; several in one request must hold for one address. */
function fixedIpFilter(values: string[]) {
  const conditions = values.map((value) => {
    const [key, rest] = [value.slice(0, value.indexOf('=')), value.slice(value.indexOf('=') + 1)];
    if (key === 'ip_address') return sql<boolean>`a.address = ${canonicalAddress(rest) ?? rest}`;
    if (key === 'ip_address_substr') return sql<boolean>`instr(a.address, ${rest}) > 0`;
    if (key === 'subnet_id') return sql<boolean>`a.subnet_id = ${rest}`;
    throw badRequest(`Invalid input for fixed_ips. Reason: '${value.slice(0, 100)}' is no filter.`, { type: 'HTTPBadRequest' });
  });
  return sql<boolean>`id in (select a.port_id from ip_allocations a where ${sql.join(conditions, sql` and `)})`;
}

export const portCollection: Collection = {
  table: 'ports',
  singular: 'port',
  plural: 'ports',
  attributes: PORT_ATTRIBUTES,
  missing: { type: 'PortNotFound', message: (id) => `Port ${id} could not be found.` },
  visible(caller) {
    const projectId = caller.project?.id ?? null;
    return caller.roleNames.has('admin') ? undefined
      : sql<boolean>`(project_id = ${projectId} or network_id in (select n.id from networks n where n.project_id = ${projectId}))`;
  },
  async target(db, row, caller) {
    const network = await db.selectFrom('networks').select(['project_id', 'shared']).where('id', '=', row.network_id as string).executeTakeFirst();
    const shared = Boolean(network?.shared) || (await grantsOf(db, 'network', row.network_id as string, caller.project?.id)).has('access_as_shared');
    return { projectId: row.project_id as string, parentProjectId: network?.project_id, parentShared: shared };
  },
  async newTarget(db, caller, input) {
    const network = await visibleNetwork(db, caller, input.network_id as string);
    return { projectId: input.project_id as string, parentProjectId: network.project_id, parentShared: Boolean(network.shared) };
  },
  rules: (input, verb) => [...new Set(((input.fixed_ips ?? []) as Record<string, unknown>[]).flatMap((entry) => Object.keys(entry)))].map((key) => `${verb}_port:fixed_ips:${key}`),
  filters: {
    fixed_ips: fixedIpFilter,
    ip_address: (values) => sql<boolean>`id in (select a.port_id from ip_allocations a where a.address in (${sql.join(values.map((value) => canonicalAddress(value) ?? value))}))`,
    security_groups: (ids) => sql<boolean>`id in (select g.port_id from port_security_groups g where g.security_group_id in (${sql.join(ids)}))`,
    mac_address: (values) => sql<boolean>`mac_address in (${sql.join(values.map((value) => value.toLowerCase()))})`,
  },
  async extend(db, rows: Row[]) {
    const ids = rows.map(({ id }) => id);
    const [fixedIps, groups] = await Promise.all([fixedIpsOf(db, ids), groupsOf(db, ids)]);
    return rows.map((row): View => ({
      fixed_ips: fixedIps.get(row.id) ?? [],
      security_groups: groups.get(row.id) ?? [],
      'binding:vif_type': row.binding_host_id === '' ? 'unbound' : 'ovs',
      'binding:vif_details': row.binding_host_id === '' ? {} : VIF_DETAILS,
    }));
  },
  create: createPort,
  update: updatePort,
  remove: (trx, _caller, row) => removePort(trx, row),
};
