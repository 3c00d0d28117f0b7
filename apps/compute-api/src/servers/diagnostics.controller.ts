import { Controller, Get, Inject, Param } from '@nestjs/common';
import { conflict, type RequestContext } from '@virga/core';
import { Authorize, Caller, Version, type Microversion } from '@virga/rest';
import { askHost } from '../hosts/ask-host';
import { Served, under } from '../microversions';
import { BUS, DB, type Bus, type Db } from '../tokens';
import { getInstance } from './server.repository';

/** As the host tells them, in the form of 2.48. */
interface Diagnostics {
  cpu_details: { id: number | null; time: number | null }[];
  disk_details: Record<string, number | null>[];
  nic_details: Record<string, number | string | null>[];
  memory_details: { maximum: number | null; used: number | null };
}

/** Counters of cards in both forms of the answer. */
const NIC_COUNTERS: readonly (readonly [old: string, standard: string])[] = ['rx', 'tx'].flatMap((way) => [
  [way, `${way}_octets`] as const, [`${way}_errors`, `${way}_errors`] as const, [`${way}_drop`, `${way}_drop`] as const, [`${way}_packets`, `${way}_packets`] as const,
]);
const DISK_COUNTERS = [['read', 'read_bytes'], ['read_req', 'read_requests'], ['write', 'write_bytes'], ['write_req', 'write_requests'], ['errors', 'errors_count']] as const;

/** Until 2.47 the answer was flat, with names of devices in its keys and memory in KiB. */
function flat({ cpu_details: cpus, disk_details: disks, nic_details: nics, memory_details: memory }: Diagnostics): Record<string, unknown> {
  const counters: [string, unknown][] = [
    ...cpus.map(({ id, time }, index): [string, unknown] => [`cpu${id ?? index}_time`, time]),
    ...disks.flatMap((disk, index) => DISK_COUNTERS.map(([old, standard]): [string, unknown] => [`vd${String.fromCharCode(97 + index)}_${old}`, disk[standard] ?? -1])),
    ...nics.flatMap((nic, index) => NIC_COUNTERS.map(([old, standard]): [string, unknown] => [`vnet${index}_${old}`, nic[standard]])),
    ['memory', memory.maximum === null ? null : memory.maximum * 1024],
    ...(memory.used === null ? [] : [['memory-used', memory.used * 1024] as [string, unknown]]),
  ];
  return Object.fromEntries(counters);
}

/** What the hypervisor knows of a running server. */
@Controller(under('servers/:id'))
export class DiagnosticsController {
  constructor(@Inject(DB) readonly db: Db, @Inject(BUS) readonly bus: Bus) {}

  @Get('diagnostics')
  @Authorize('os_compute_api:os-server-diagnostics')
  async diagnostics(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    const row = await getInstance(this.db, caller, id);
    if (row.host_id === null) throw conflict(`Instance ${id} is not ready`);
    const { diagnostics } = await askHost(this, row.host_id, (host) => host.diagnostics({ instanceId: id }));
    return minor >= 48 ? diagnostics : flat(diagnostics as unknown as Diagnostics);
  }

  /** Guests here have no NUMA nodes and no pinned processors or pages: the answer is that of such a server. */
  @Get('topology')
  @Served(78)
  @Authorize('compute:server:topology:index')
  async topology(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    return { nodes: [], pagesize_kb: null };
  }
}
