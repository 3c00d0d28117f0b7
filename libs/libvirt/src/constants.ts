/** Values of libvirt's public API that a compute agent decides on or passes. Names follow libvirt without its prefixes. */

export const DEFAULT_SOCKET_PATH = '/var/run/libvirt/libvirt-sock';

/** `LibvirtError.code`. */
export const ErrorCode = {
  INTERNAL_ERROR: 1, NO_SUPPORT: 3, NO_CONNECT: 5, INVALID_CONN: 6, INVALID_DOMAIN: 7, INVALID_ARG: 8, OPERATION_FAILED: 9,
  OS_TYPE: 16, NO_NAME: 21, NO_OS: 22, XML_ERROR: 27, DOM_EXIST: 28, OPERATION_DENIED: 29, OPEN_FAILED: 30, XML_DETAIL: 35, SYSTEM_ERROR: 38,
  /** Also: the daemon does not know the procedure, or could not decode its arguments. */
  RPC: 39,
  NO_DOMAIN: 42, NO_NETWORK: 43, AUTH_FAILED: 45, NO_STORAGE_POOL: 49, NO_STORAGE_VOL: 50, OPERATION_INVALID: 55,
  NO_INTERFACE: 57, NO_NWFILTER: 62, NO_SECRET: 66, CONFIG_UNSUPPORTED: 67, OPERATION_TIMEOUT: 68,
  MIGRATE_PERSIST_FAILED: 69, HOOK_SCRIPT_FAILED: 70, NO_DOMAIN_SNAPSHOT: 72, ARGUMENT_UNSUPPORTED: 74,
  OPERATION_ABORTED: 78, NO_DOMAIN_METADATA: 80, MIGRATE_UNSAFE: 81, OVERFLOW: 82, BLOCK_COPY_ACTIVE: 83,
  OPERATION_UNSUPPORTED: 84, AGENT_UNRESPONSIVE: 86, RESOURCE_BUSY: 87, ACCESS_DENIED: 88, STORAGE_VOL_EXIST: 90,
  CPU_INCOMPATIBLE: 91, XML_INVALID_SCHEMA: 92, MIGRATE_FINISH_OK: 93, AUTH_UNAVAILABLE: 94, AGENT_UNSYNCED: 97,
  DEVICE_MISSING: 99,
} as const;

/** `LibvirtError.domain`: the part of libvirt that raised an error. */
export const ErrorDomain = {
  XML: 5, RPC: 7, CONF: 9, QEMU: 10, TEST: 12, REMOTE: 13, STORAGE: 18, DOMAIN: 20, SECURITY: 24, SECRET: 30, CPU: 31,
  NWFILTER: 33, DOMAIN_SNAPSHOT: 35, STREAMS: 38, EVENT: 40, LOCKING: 42, AUTH: 46, CGROUP: 54, ACCESS: 55,
} as const;

export const DomainState = {
  NOSTATE: 0, RUNNING: 1, BLOCKED: 2, PAUSED: 3, SHUTDOWN: 4, SHUTOFF: 5, CRASHED: 6, PMSUSPENDED: 7,
} as const;
export const RunningReason = {
  UNKNOWN: 0, BOOTED: 1, MIGRATED: 2, RESTORED: 3, FROM_SNAPSHOT: 4, UNPAUSED: 5, MIGRATION_CANCELED: 6, SAVE_CANCELED: 7,
  WAKEUP: 8, CRASHED: 9, POSTCOPY: 10, POSTCOPY_FAILED: 11,
} as const;
export const PausedReason = {
  UNKNOWN: 0, USER: 1, MIGRATION: 2, SAVE: 3, DUMP: 4, IOERROR: 5, WATCHDOG: 6, FROM_SNAPSHOT: 7, SHUTTING_DOWN: 8,
  SNAPSHOT: 9, CRASHED: 10, STARTING_UP: 11, POSTCOPY: 12, POSTCOPY_FAILED: 13,
} as const;
export const ShutoffReason = {
  UNKNOWN: 0, SHUTDOWN: 1, DESTROYED: 2, CRASHED: 3, MIGRATED: 4, SAVED: 5, FAILED: 6, FROM_SNAPSHOT: 7, DAEMON: 8,
} as const;

/** `lifecycle` event. */
export const LifecycleEvent = {
  DEFINED: 0, UNDEFINED: 1, STARTED: 2, SUSPENDED: 3, RESUMED: 4, STOPPED: 5, SHUTDOWN: 6, PMSUSPENDED: 7, CRASHED: 8,
} as const;
/** `detail` of a lifecycle event, by event. */
export const LifecycleDetail = {
  DEFINED: { ADDED: 0, UPDATED: 1, RENAMED: 2, FROM_SNAPSHOT: 3 },
  UNDEFINED: { REMOVED: 0, RENAMED: 1 },
  STARTED: { BOOTED: 0, MIGRATED: 1, RESTORED: 2, FROM_SNAPSHOT: 3, WAKEUP: 4 },
  SUSPENDED: {
    PAUSED: 0, MIGRATED: 1, IOERROR: 2, WATCHDOG: 3, RESTORED: 4, FROM_SNAPSHOT: 5, API_ERROR: 6, POSTCOPY: 7, POSTCOPY_FAILED: 8,
  },
  RESUMED: { UNPAUSED: 0, MIGRATED: 1, FROM_SNAPSHOT: 2, POSTCOPY: 3, POSTCOPY_FAILED: 4 },
  STOPPED: { SHUTDOWN: 0, DESTROYED: 1, CRASHED: 2, MIGRATED: 3, SAVED: 4, FAILED: 5, FROM_SNAPSHOT: 6 },
  SHUTDOWN: { FINISHED: 0, GUEST: 1, HOST: 2 },
  CRASHED: { PANICKED: 0, CRASHLOADED: 1 },
} as const;

/** Whom a change concerns: the running domain, its stored definition, or what fits the present state. */
export const Affect = { CURRENT: 0, LIVE: 1, CONFIG: 2 } as const;

export const ConnectFlag = { READ_ONLY: 1 } as const;
export const ListDomainsFlag = {
  ACTIVE: 1 << 0, INACTIVE: 1 << 1, PERSISTENT: 1 << 2, TRANSIENT: 1 << 3, RUNNING: 1 << 4, PAUSED: 1 << 5,
  SHUTOFF: 1 << 6, OTHER: 1 << 7, MANAGED_SAVE: 1 << 8, NO_MANAGED_SAVE: 1 << 9,
} as const;
export const DefineFlag = { VALIDATE: 1 << 0 } as const;
export const CreateFlag = {
  START_PAUSED: 1 << 0, AUTODESTROY: 1 << 1, BYPASS_CACHE: 1 << 2, FORCE_BOOT: 1 << 3, VALIDATE: 1 << 4, RESET_NVRAM: 1 << 5,
} as const;
export const DestroyFlag = { GRACEFUL: 1 << 0, REMOVE_LOGS: 1 << 1 } as const;
/** For both shutdown and reboot. */
export const ShutdownFlag = { DEFAULT: 0, ACPI_POWER_BTN: 1 << 0, GUEST_AGENT: 1 << 1 } as const;
export const UndefineFlag = {
  MANAGED_SAVE: 1 << 0, SNAPSHOTS_METADATA: 1 << 1, NVRAM: 1 << 2, KEEP_NVRAM: 1 << 3, CHECKPOINTS_METADATA: 1 << 4,
  TPM: 1 << 5, KEEP_TPM: 1 << 6,
} as const;
export const XmlFlag = { SECURE: 1 << 0, INACTIVE: 1 << 1, UPDATE_CPU: 1 << 2, MIGRATABLE: 1 << 3 } as const;
export const SaveFlag = { BYPASS_CACHE: 1 << 0, RUNNING: 1 << 1, PAUSED: 1 << 2, RESET_NVRAM: 1 << 3 } as const;
export const DeviceModifyFlag = { ...Affect, FORCE: 1 << 2 } as const;
export const VcpuFlag = { ...Affect, MAXIMUM: 1 << 2, GUEST: 1 << 3, HOTPLUGGABLE: 1 << 4 } as const;
export const MemoryFlag = { ...Affect, MAXIMUM: 1 << 2 } as const;
export const PasswordFlag = { ENCRYPTED: 1 << 0 } as const;
/** FORCE takes the console from another client; SAFE demands mutually exclusive access. */
export const ConsoleFlag = { FORCE: 1 << 0, SAFE: 1 << 1 } as const;
export const MetadataType = { DESCRIPTION: 0, TITLE: 1, ELEMENT: 2 } as const;
export const MonitorFlag = { QMP: 0, HMP: 1 << 0 } as const;
export const InterfaceAddressSource = { LEASE: 0, AGENT: 1, ARP: 2 } as const;

export const StatsGroup = {
  STATE: 1 << 0, CPU_TOTAL: 1 << 1, BALLOON: 1 << 2, VCPU: 1 << 3, INTERFACE: 1 << 4, BLOCK: 1 << 5, PERF: 1 << 6,
  IOTHREAD: 1 << 7, MEMORY: 1 << 8, DIRTYRATE: 1 << 9, VM: 1 << 10,
} as const;
/** May be combined with `ListDomainsFlag`. NOWAIT skips what would wait for a busy domain. */
export const StatsFlag = { NOWAIT: 1 << 29, BACKING: 1 << 30, ENFORCE: 2 ** 31 } as const;
export const MemoryStatTag = {
  SWAP_IN: 0, SWAP_OUT: 1, MAJOR_FAULT: 2, MINOR_FAULT: 3, UNUSED: 4, AVAILABLE: 5, ACTUAL_BALLOON: 6, RSS: 7, USABLE: 8,
  LAST_UPDATE: 9, DISK_CACHES: 10, HUGETLB_PGALLOC: 11, HUGETLB_PGFAIL: 12,
} as const;

export const BlockResizeFlag = { BYTES: 1 << 0 } as const;
export const BlockJobType = { UNKNOWN: 0, PULL: 1, COPY: 2, COMMIT: 3, ACTIVE_COMMIT: 4, BACKUP: 5 } as const;
/** `status` of the block job events. */
export const BlockJobStatus = { COMPLETED: 0, FAILED: 1, CANCELED: 2, READY: 3 } as const;
export const BlockJobAbortFlag = { ASYNC: 1 << 0, PIVOT: 1 << 1 } as const;
export const BlockCopyFlag = { SHALLOW: 1 << 0, REUSE_EXT: 1 << 1, TRANSIENT_JOB: 1 << 2, SYNCHRONOUS_WRITES: 1 << 3 } as const;
export const BlockCommitFlag = { SHALLOW: 1 << 0, DELETE: 1 << 1, ACTIVE: 1 << 2, RELATIVE: 1 << 3, BANDWIDTH_BYTES: 1 << 4 } as const;
export const SnapshotCreateFlag = {
  REDEFINE: 1 << 0, CURRENT: 1 << 1, NO_METADATA: 1 << 2, HALT: 1 << 3, DISK_ONLY: 1 << 4, REUSE_EXT: 1 << 5,
  QUIESCE: 1 << 6, ATOMIC: 1 << 7, LIVE: 1 << 8, VALIDATE: 1 << 9,
} as const;
export const SnapshotDeleteFlag = { CHILDREN: 1 << 0, METADATA_ONLY: 1 << 1, CHILDREN_ONLY: 1 << 2 } as const;

export const JobType = { NONE: 0, BOUNDED: 1, UNBOUNDED: 2, COMPLETED: 3, FAILED: 4, CANCELLED: 5 } as const;
export const JobOperation = {
  UNKNOWN: 0, START: 1, SAVE: 2, RESTORE: 3, MIGRATION_IN: 4, MIGRATION_OUT: 5, SNAPSHOT: 6, SNAPSHOT_REVERT: 7, DUMP: 8,
  BACKUP: 9, SNAPSHOT_DELETE: 10,
} as const;
export const JobStatsFlag = { COMPLETED: 1 << 0, KEEP_COMPLETED: 1 << 1 } as const;
export const AbortJobFlag = { POSTCOPY: 1 << 0 } as const;
/** Names of the values in job statistics. Times are ms, amounts bytes, rates per second. */
export const JobField = {
  OPERATION: 'operation', TIME_ELAPSED: 'time_elapsed', TIME_REMAINING: 'time_remaining', DOWNTIME: 'downtime',
  SETUP_TIME: 'setup_time', DATA_TOTAL: 'data_total', DATA_PROCESSED: 'data_processed', DATA_REMAINING: 'data_remaining',
  MEMORY_TOTAL: 'memory_total', MEMORY_PROCESSED: 'memory_processed', MEMORY_REMAINING: 'memory_remaining',
  MEMORY_BPS: 'memory_bps', MEMORY_DIRTY_RATE: 'memory_dirty_rate', MEMORY_PAGE_SIZE: 'memory_page_size',
  MEMORY_ITERATION: 'memory_iteration', MEMORY_POSTCOPY_REQS: 'memory_postcopy_requests', DISK_TOTAL: 'disk_total',
  DISK_PROCESSED: 'disk_processed', DISK_REMAINING: 'disk_remaining', DISK_BPS: 'disk_bps',
  AUTO_CONVERGE_THROTTLE: 'auto_converge_throttle', SUCCESS: 'success', ERRMSG: 'errmsg',
} as const;

export const MigrateFlag = {
  LIVE: 1 << 0, PEER2PEER: 1 << 1, TUNNELLED: 1 << 2, PERSIST_DEST: 1 << 3, UNDEFINE_SOURCE: 1 << 4, PAUSED: 1 << 5,
  NON_SHARED_DISK: 1 << 6, NON_SHARED_INC: 1 << 7, CHANGE_PROTECTION: 1 << 8, UNSAFE: 1 << 9, OFFLINE: 1 << 10,
  COMPRESSED: 1 << 11, ABORT_ON_ERROR: 1 << 12, AUTO_CONVERGE: 1 << 13, RDMA_PIN_ALL: 1 << 14, POSTCOPY: 1 << 15,
  TLS: 1 << 16, PARALLEL: 1 << 17, NON_SHARED_SYNCHRONOUS_WRITES: 1 << 18, POSTCOPY_RESUME: 1 << 19, ZEROCOPY: 1 << 20,
} as const;
/** Names of migration parameters, with the builder of `param` each needs. */
export const MigrateParam = {
  /** string */ URI: 'migrate_uri',
  /** string */ DEST_NAME: 'destination_name',
  /** string */ DEST_XML: 'destination_xml',
  /** string */ PERSIST_XML: 'persistent_xml',
  /** ullong, MiB/s */ BANDWIDTH: 'bandwidth',
  /** ullong, MiB/s */ BANDWIDTH_POSTCOPY: 'bandwidth.postcopy',
  /** string */ GRAPHICS_URI: 'graphics_uri',
  /** string */ LISTEN_ADDRESS: 'listen_address',
  /** string, repeated for each disk target */ MIGRATE_DISKS: 'migrate_disks',
  /** int */ DISKS_PORT: 'disks_port',
  /** string */ DISKS_URI: 'disks_uri',
  /** string: 'mt' or 'xbzrle' */ COMPRESSION: 'compression',
  /** int, percent */ AUTO_CONVERGE_INITIAL: 'auto_converge.initial',
  /** int, percent */ AUTO_CONVERGE_INCREMENT: 'auto_converge.increment',
  /** int */ PARALLEL_CONNECTIONS: 'parallel.connections',
  /** string */ TLS_DESTINATION: 'tls.destination',
} as const;
/** `phase` of the graphics event. */
export const GraphicsPhase = { CONNECT: 0, INITIALIZE: 1, DISCONNECT: 2 } as const;
/** `action` of the I/O error events. */
export const IoErrorAction = { NONE: 0, PAUSE: 1, REPORT: 2 } as const;
