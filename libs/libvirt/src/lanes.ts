/** Which of a host's connections a call takes, so that slow work never delays the watching of it. */
import type { CallName } from './protocol';

/**
 * - `control`: reads, events, and what steers a running job. Must stay quick.
 * - `stats`: reads that wait for the domain's own process.
 * - `ops`: changes of seconds; starting a domain from a managed save image takes longer, so name a time then.
 * - `jobs`: minutes or hours; each call has a connection of its own and by default no timeout.
 */
export type Lane = 'control' | 'stats' | 'ops' | 'jobs';

const JOBS: readonly CallName[] = [
  'domainMigratePerform3Params', 'domainManagedSave', 'domainSaveFlags', 'domainRestoreFlags', 'domainCoreDumpWithFormat',
  'domainSnapshotCreateXml', 'domainRevertToSnapshot', 'domainSnapshotDelete', 'storagePoolBuild', 'storageVolCreateXml',
];

/** Reads that ask the domain's QEMU and therefore hang with it. */
const STATS: readonly CallName[] = [
  'connectGetAllDomainStats', 'domainMemoryStats', 'domainBlockStats', 'domainBlockStatsFlags', 'domainInterfaceStats',
  'domainGetCpuStats', 'domainGetBlockInfo', 'domainGetBlockIoTune', 'domainGetDiskErrors', 'domainGetVcpus',
];

const OPS: readonly CallName[] = [
  'domainDefineXmlFlags', 'domainUndefineFlags', 'domainRename', 'domainSetAutostart', 'domainCreateXml', 'domainCreateWithFlags',
  'domainDestroyFlags', 'domainShutdownFlags', 'domainReboot', 'domainReset', 'domainSuspend', 'domainResume',
  'domainManagedSaveRemove', 'domainInjectNmi', 'domainSendKey', 'domainSetMetadata', 'domainAttachDeviceFlags',
  'domainDetachDeviceFlags', 'domainDetachDeviceAlias', 'domainUpdateDeviceFlags', 'domainSetVcpusFlags', 'domainPinVcpu',
  'domainSetMemoryFlags', 'domainSetMemoryStatsPeriod', 'domainSetMemoryParameters', 'domainSetBlkioParameters',
  'domainSetSchedulerParametersFlags', 'domainSetInterfaceParameters', 'domainSetUserPassword', 'domainSetGuestVcpus',
  'domainFsFreeze', 'domainFsThaw', 'domainFsTrim', 'domainGetFsInfo', 'domainSetTime', 'domainGetTime', 'domainGetHostname',
  'domainGetGuestInfo', 'domainInterfaceAddresses', 'domainBlockResize', 'domainBlockCopy', 'domainBlockPull',
  'domainBlockRebase', 'domainBlockCommit', 'domainBlockJobAbort', 'domainSetBlockThreshold', 'domainSetBlockIoTune',
  'domainBackupBegin', 'qemuMonitorCommand', 'qemuAgentCommand', 'storagePoolDefineXml', 'storagePoolCreateXml',
  'storagePoolCreate', 'storagePoolDestroy', 'storagePoolDelete', 'storagePoolUndefine', 'storagePoolRefresh',
  'storageVolDelete', 'storageVolResize', 'secretDefineXml', 'secretSetValue', 'secretUndefine', 'nwfilterDefineXml',
  'nwfilterUndefine',
];

const lanes = new Map<CallName, Lane>([
  ...STATS.map((name) => [name, 'stats'] as const),
  ...OPS.map((name) => [name, 'ops'] as const),
  ...JOBS.map((name) => [name, 'jobs'] as const),
]);

/** The lane of a call unless its caller chooses another. */
export const laneOf = (name: CallName): Lane => lanes.get(name) ?? 'control';

/** Default time for a call of a lane, in ms; destroying a domain whose QEMU hangs takes the daemon about 15 s. */
export const LANE_TIMEOUT_MS: Record<Lane, number> = { control: 30_000, stats: 30_000, ops: 180_000, jobs: 0 };
