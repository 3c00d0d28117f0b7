/** Calls on one domain: definition, power, state, devices, console, guest. */
import { bool, call, list } from './codec';
import { bytes, domain, flags, hyper, int, intOr, LIMIT, nullable, params, string, struct, uhyper, uint, uuid } from './structs';

const dom = domain;
const address = struct({ type: int, address: string, prefix: uint });
const guestInterface = struct({ name: string, hwaddr: nullable(string), addresses: list(address, LIMIT.manyParams) });
const filesystem = struct({ mountpoint: string, name: string, type: string, deviceAliases: list(string, 256) });
const vcpu = struct({ number: uint, state: int, cpuTime: uhyper, cpu: int });

export const domainCalls = {
  domainLookupById: call(22, { id: int }, { dom }),
  domainLookupByName: call(23, { name: string }, { dom }),
  domainLookupByUuid: call(24, { uuid }, { dom }),
  domainDefineXmlFlags: call(350, { xml: string, flags }, { dom }),
  domainUndefineFlags: call(231, { dom, flags }),
  domainGetXmlDesc: call(14, { dom, flags }, { xml: string }),
  domainRename: call(358, { dom, name: nullable(string), flags }, { result: int }),
  domainSetAutostart: call(29, { dom, autostart: bool }),
  domainGetAutostart: call(15, { dom }, { autostart: bool }),
  domainIsActive: call(150, { dom }, { active: bool }),
  domainIsPersistent: call(151, { dom }, { persistent: bool }),

  domainCreateXml: call(10, { xml: string, flags }, { dom }),
  domainCreateWithFlags: call(196, { dom, flags }, { dom }),
  domainDestroyFlags: call(234, { dom, flags }),
  domainShutdownFlags: call(258, { dom, flags }),
  domainReboot: call(27, { dom, flags }),
  domainReset: call(245, { dom, flags }),
  domainSuspend: call(34, { dom }),
  domainResume: call(28, { dom }),
  domainManagedSave: call(182, { dom, flags }),
  domainHasManagedSaveImage: call(183, { dom, flags }, { result: bool }),
  domainManagedSaveRemove: call(184, { dom, flags }),
  domainSaveFlags: call(232, { dom, to: string, xml: nullable(string), flags }),
  domainRestoreFlags: call(233, { from: string, xml: nullable(string), flags }),
  domainInjectNmi: call(210, { dom, flags }),
  domainSendKey: call(226, { dom, codeset: uint, holdMs: uint, keycodes: list(uint, 16), flags }),
  domainCoreDumpWithFormat: call(334, { dom, to: string, format: uint, flags }),

  domainGetState: call(212, { dom, flags }, { state: int, reason: int }),
  /** Memory in KiB, `cpuTime` in nanoseconds. */
  domainGetInfo: call(16, { dom }, { state: uint, maxMem: uhyper, memory: uhyper, vcpus: uint, cpuTime: uhyper }),
  domainGetControlInfo: call(229, { dom, flags }, { state: uint, details: uint, stateTime: uhyper }),
  domainGetMessages: call(426, { dom, flags }, { messages: list(string, LIMIT.manyParams) }),
  domainSetMetadata: call(
    264,
    { dom, type: int, metadata: nullable(string), key: nullable(string), uri: nullable(string), flags },
  ),
  domainGetMetadata: call(265, { dom, type: int, uri: nullable(string), flags }, { metadata: string }),

  domainAttachDeviceFlags: call(160, { dom, xml: string, flags }),
  domainDetachDeviceFlags: call(161, { dom, xml: string, flags }),
  domainDetachDeviceAlias: call(392, { dom, alias: string, flags }),
  domainUpdateDeviceFlags: call(174, { dom, xml: string, flags }),
  domainSetVcpusFlags: call(199, { dom, count: uint, flags }),
  domainGetVcpusFlags: call(200, { dom, flags }, { count: int }),
  domainGetVcpus: call(20, { dom, maxInfo: int, mapLength: int }, { info: list(vcpu, LIMIT.objects), cpumaps: bytes(8388608) }),
  domainPinVcpu: call(26, { dom, vcpu: uint, cpumap: bytes(LIMIT.cpumap) }),
  /** KiB. */
  domainSetMemoryFlags: call(204, { dom, memory: uhyper, flags }),
  domainSetMemoryStatsPeriod: call(308, { dom, seconds: int, flags }),
  domainSetMemoryParameters: call(197, { dom, params: params(16), flags }),
  domainSetBlkioParameters: call(205, { dom, params: params(16), flags }),
  domainSetSchedulerParametersFlags: call(219, { dom, params: params(16), flags }),
  domainSetInterfaceParameters: call(256, { dom, device: string, params: params(16), flags }),

  domainMemoryStats: call(159, { dom, max: uint, flags }, { stats: list(struct({ tag: int, value: uhyper }), 1024) }),
  domainInterfaceStats: call(65, { dom, device: string }, {
    rxBytes: hyper, rxPackets: hyper, rxErrors: hyper, rxDrops: hyper,
    txBytes: hyper, txPackets: hyper, txErrors: hyper, txDrops: hyper,
  }),
  /** `count` 0 asks how many values there are; `startCpu` -1 with `cpus` 1 gives the totals. */
  domainGetCpuStats: call(
    262,
    { dom, count: uint, startCpu: int, cpus: uint, flags },
    { params: params(LIMIT.manyParams), count: int },
  ),

  /** Followed by a stream. */
  domainOpenConsole: call(201, { dom, device: nullable(string), flags }),
  /** Followed by a stream. */
  domainOpenChannel: call(296, { dom, name: nullable(string), flags }),
  /** Followed by a stream. */
  domainScreenshot: call(211, { dom, screen: uint, flags }, { mime: nullable(string) }),

  domainSetUserPassword: call(357, { dom, user: nullable(string), password: nullable(string), flags }),
  domainSetGuestVcpus: call(372, { dom, cpumap: string, state: intOr(1), flags }),
  domainFsFreeze: call(335, { dom, mountpoints: list(string, 256), flags }, { filesystems: int }),
  domainFsThaw: call(336, { dom, mountpoints: list(string, 256), flags }, { filesystems: int }),
  domainFsTrim: call(294, { dom, mountpoint: nullable(string), minimum: uhyper, flags }),
  domainGetFsInfo: call(349, { dom, flags }, { filesystems: list(filesystem, 256), count: uint }),
  domainSetTime: call(338, { dom, seconds: hyper, nanoseconds: uint, flags }),
  domainGetTime: call(337, { dom, flags }, { seconds: hyper, nanoseconds: uint }),
  domainInterfaceAddresses: call(353, { dom, source: uint, flags }, { interfaces: list(guestInterface, LIMIT.manyParams) }),
  domainGetHostname: call(277, { dom, flags }, { hostname: string }),
  domainGetGuestInfo: call(418, { dom, types: uint, flags }, { params: params(LIMIT.manyParams) }),
};
