/** Calls on the connection and the host. Numbers are those of program 0x20008086 version 1. */
import { call, charArray, list } from './codec';
import { bytes, domain, flags, int, intOr, LIMIT, nullable, params, string, struct, uhyper, uint } from './structs';

const stat = struct({ field: string, value: uhyper });
/** The daemon fills a list only when asked to; 0 would return the count alone. */
const needResults = intOr(1);
const domainStats = struct({ dom: domain, params: params(LIMIT.statsParams) });

export const connectCalls = {
  connectOpen: call(1, { name: nullable(string), flags }),
  connectClose: call(2, {}),
  authList: call(66, {}, { types: list(int, 20) }),
  authPolkit: call(70, {}, { complete: int }),
  connectGetType: call(3, {}, { type: string }),
  connectGetVersion: call(4, {}, { version: uhyper }),
  connectGetLibVersion: call(157, {}, { version: uhyper }),
  connectGetMaxVcpus: call(5, { type: nullable(string) }, { maxVcpus: int }),
  connectGetHostname: call(59, {}, { hostname: string }),
  connectGetUri: call(110, {}, { uri: string }),
  connectGetSysinfo: call(203, { flags }, { sysinfo: string }),
  connectSupportsFeature: call(60, { feature: int }, { supported: int }),
  connectGetCapabilities: call(7, {}, { capabilities: string }),
  connectGetDomainCapabilities: call(
    342,
    { emulator: nullable(string), arch: nullable(string), machine: nullable(string), virtType: nullable(string), flags },
    { capabilities: string },
  ),
  connectGetCpuModelNames: call(312, { arch: string, needResults, flags }, { models: list(string, 8192), count: int }),
  connectCompareHypervisorCpu: call(
    393,
    { emulator: nullable(string), arch: nullable(string), machine: nullable(string), virtType: nullable(string), cpuXml: string, flags },
    { result: int },
  ),
  connectBaselineHypervisorCpu: call(
    394,
    {
      emulator: nullable(string), arch: nullable(string), machine: nullable(string), virtType: nullable(string),
      cpuXmls: list(string, 256), flags,
    },
    { cpu: string },
  ),
  connectListAllDomains: call(273, { needResults, flags }, { domains: list(domain, LIMIT.objects), count: uint }),
  connectGetAllDomainStats: call(
    344,
    { doms: list(domain, LIMIT.objects), stats: uint, flags },
    { records: list(domainStats, LIMIT.objects) },
  ),
  connectRegisterDomainEvent: call(316, { eventId: int, dom: nullable(domain) }, { callbackId: int }),
  connectDeregisterDomainEvent: call(317, { callbackId: int }),

  /** `memory` is KiB. */
  nodeGetInfo: call(6, {}, {
    model: charArray(32), memory: uhyper, cpus: int, mhz: int, nodes: int, sockets: int, cores: int, threads: int,
  }),
  /** With `count` 0 only the number of values comes back; ask again with that number. `cpu` -1 means all. */
  nodeGetCpuStats: call(227, { cpu: int, count: int, flags }, { stats: list(stat, 16), count: int }),
  /** As above; values are KiB; `cell` -1 means all. */
  nodeGetMemoryStats: call(228, { count: int, cell: int, flags }, { stats: list(stat, 16), count: int }),
  /** Bytes. */
  nodeGetFreeMemory: call(102, {}, { free: uhyper }),
  nodeGetCellsFreeMemory: call(101, { startCell: int, maxCells: int }, { cells: list(uhyper, LIMIT.cells) }),
  nodeGetFreePages: call(
    340,
    { pageSizes: list(uint, LIMIT.cells), startCell: int, cellCount: uint, flags },
    { counts: list(uhyper, LIMIT.cells) },
  ),
  nodeGetCpuMap: call(293, { needMap: intOr(1), needOnline: intOr(1), flags }, { map: bytes(LIMIT.cpumap), online: uint, total: int }),
};
