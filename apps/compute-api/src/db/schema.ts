import type { Generated } from '@virga/db';
import type { WithOutbox } from '@virga/db';

/** Columns that end in `_json` hold JSON text. Times are UTC, written from the database's clock where they decide anything. */
export interface InstancesTable {
  id: string;
  /** Makes the domain's name: instance-<8 hex digits>. */
  num: Generated<number>;
  display_name: string;
  description: string | null;
  hostname: string;
  project_id: string;
  user_id: string;
  image_id: string;
  image_json: string;
  /** Kernel and ramdisk of that image, if it names them (`BootImages`). */
  boot_images_json: Generated<string | null>;
  flavor_json: string;
  /** What of the quota is kept beside that while a change of size may still come, or be taken back: vCPUs, MB. */
  held_cores: Generated<number>;
  held_ram: Generated<number>;
  key_name: string | null;
  key_public: string | null;
  key_type: string | null;
  user_data: string | null;
  /** Until the first boot is done; then gone. */
  admin_pass: string | null;
  config_drive: number;
  /** As asked for by the user; null when any would do. */
  requested_az: string | null;
  /** Zone of the host that it is on. */
  availability_zone: string | null;
  host_id: string | null;
  host: string | null;
  vm_state: string;
  task_state: string | null;
  power_state: number;
  /** Fencing token: each operation on the instance takes the next one, and older ones may not write any more. */
  generation: Generated<number>;
  /** When vm_state, task_state or host last changed, so that an older observation cannot overrule it. */
  state_changed_at: Date;
  locked: Generated<number>;
  locked_by: string | null;
  locked_reason: string | null;
  disk_config: string;
  access_ip_v4: string | null;
  access_ip_v6: string | null;
  reservation_id: string;
  launch_index: number;
  requested_networks_json: string;
  security_group_ids_json: string;
  security_groups_json: string;
  root_device_name: string;
  created_at: Date;
  updated_at: Date;
  launched_at: Date | null;
  terminated_at: Date | null;
  deleted_at: Date | null;
}

export interface InstanceFaultsTable { id: Generated<number>; instance_id: string; code: number; message: string; details: string | null; created_at: Date }
export interface InstanceMetadataTable { instance_id: string; name: string; value: string }
export interface InstanceTagsTable { instance_id: string; tag: string }

export interface OperationsTable {
  id: string;
  kind: string;
  instance_id: string;
  request_id: string;
  actor_json: string;
  args_json: string;
  /** What steps have found out so far. */
  data_json: string;
  /** pending, running, parked; then done, failed or cancelled for good. */
  state: string;
  /** do or undo. */
  phase: Generated<string>;
  /** Index of the step that runs next. */
  step: Generated<number>;
  /** While undoing: the step from which another attempt starts (what lies below is kept), or -1 when there is none. */
  undo_floor: Generated<number>;
  attempt: Generated<number>;
  /** The instance's fencing token at the time when the operation was made. */
  generation: number;
  /** 0 = no, 1 = superseded by a newer operation, 2 = to be undone. */
  cancel_requested: Generated<number>;
  /** 1 once a step is done after which there is no way back. */
  no_return: Generated<number>;
  owner: string | null;
  /** Counts claims: what an earlier owner still writes is refused. */
  claim_epoch: Generated<number>;
  lease_until: Date | null;
  /** When it is to be looked at next. */
  due_at: Date;
  waiting_command: string | null;
  /** Tries of the current step that met a passing error. */
  tries: Generated<number>;
  error_json: string | null;
  created_at: Date;
  finished_at: Date | null;
}

export interface OperationStepsTable {
  id: Generated<number>;
  operation_id: string;
  phase: string;
  step: string;
  attempt: number;
  host: string | null;
  /** Null, as the deadline, before the step begins. */
  started_at: Date | null;
  deadline: Date | null;
  finished_at: Date | null;
  result: string | null;
  details: string | null;
}

export interface CommandsTable {
  id: string;
  operation_id: string;
  instance_id: string;
  host_id: string;
  phase: string;
  step: string;
  attempt: number;
  generation: number;
  verb: string;
  args_json: string;
  /** sent, done, failed or expired. */
  state: string;
  report_json: string | null;
  deadline: Date;
  created_at: Date;
  finished_at: Date | null;
}

export interface InstanceActionsTable {
  id: Generated<number>;
  instance_id: string;
  operation_id: string | null;
  action: string;
  request_id: string;
  user_id: string;
  project_id: string | null;
  start_time: Date;
  updated_at: Date;
  message: string | null;
}

export interface FlavorsTable {
  id: Generated<number>;
  flavorid: string;
  name: string;
  vcpus: number;
  memory_mb: number;
  root_gb: number;
  ephemeral_gb: number;
  swap_mb: number;
  rxtx_factor: number;
  is_public: number;
  disabled: Generated<number>;
  description: string | null;
}
export interface FlavorExtraSpecsTable { flavor_id: number; name: string; value: string }
export interface FlavorProjectsTable { flavor_id: number; project_id: string }

export interface KeypairsTable {
  id: Generated<number>;
  user_id: string;
  name: string;
  type: string;
  public_key: string;
  fingerprint: string;
  created_at: Date;
}

/** Limits that differ from the defaults; an empty user id means the whole project, project `default` the default class. */
export interface QuotaLimitsTable { project_id: string; user_id: string; resource: string; hard_limit: number }
/** What a project's instances that are not deleted take; changed only together with them. */
export interface QuotaUsagesTable { project_id: string; instances: number; cores: number; ram: number }

export interface HostsTable {
  id: string;
  num: Generated<number>;
  hostname: string;
  availability_zone: string;
  facts_json: string;
  usage_json: string;
  sequence: number;
  lease_until: Date;
  seen_at: Date;
  previous_seen_at: Date;
  created_at: Date;
}

export interface ServicesTable {
  id: Generated<number>;
  uuid: string;
  binary: string;
  host: string;
  host_id: string | null;
  zone: string;
  disabled: Generated<number>;
  disabled_reason: string | null;
  forced_down: Generated<number>;
  lease_until: Date;
  updated_at: Date;
}

/** Moves of instances between hosts and changes of their size; types and statuses are those of @virga/domain. */
export interface MigrationsTable {
  id: Generated<number>;
  uuid: string;
  instance_id: string;
  /** Who carries it out. */
  operation_id: string | null;
  migration_type: string;
  status: string;
  source_host_id: string | null;
  source_compute: string | null;
  dest_host_id: string | null;
  dest_compute: string | null;
  /** Address of the destination. */
  dest_host: string | null;
  /** Ids in the table of flavors. */
  old_flavor_id: number | null;
  new_flavor_id: number | null;
  /** Of cold moves: ServerFlavor and vm_state before, ServerFlavor after. */
  old_flavor_json: Generated<string | null>;
  new_flavor_json: Generated<string | null>;
  old_vm_state: Generated<string | null>;
  user_id: string;
  project_id: string | null;
  /** Bytes; null until the hypervisor has told. */
  memory_total: Generated<number | null>;
  memory_processed: Generated<number | null>;
  memory_remaining: Generated<number | null>;
  disk_total: Generated<number | null>;
  disk_processed: Generated<number | null>;
  disk_remaining: Generated<number | null>;
  /** pre-copy or post-copy. */
  mode: Generated<string | null>;
  iteration: Generated<number | null>;
  dirty_bytes_per_second: Generated<number | null>;
  eta_ms: Generated<number | null>;
  /** As the hypervisor measured it; of post-copy only the switch. */
  downtime_ms: Generated<number | null>;
  total_ms: Generated<number | null>;
  /** Of the newest report of progress that was taken. */
  progress_sequence: Generated<number>;
  /** What somebody wants of the running migration: force_complete or abort. */
  wish: Generated<string | null>;
  /** As long as this is the instance's generation, neither end may lose what it has of the guest: its memory is on both. */
  kept_generation: Generated<number | null>;
  created_at: Date;
  updated_at: Date | null;
}
/** A host that is emptied (`draining`, `drained`) or gets its instances back (`restoring`, `restored`). */
export interface HostDrainsTable { host_id: string; state: string; actor_json: string; created_at: Date; updated_at: Date }
/** `waiting`, `moving`, `away`, `stays`, `failed`; on the way back `waiting`, `moving`, `back`, `stays`, `failed`. */
export interface DrainedInstancesTable {
  host_id: string; instance_id: string; state: string; tries: Generated<number>; operation_id: string | null; message: string | null; updated_at: Date;
}

export interface AggregatesTable { id: Generated<number>; uuid: string; name: string; created_at: Date; updated_at: Date | null }
export interface AggregateHostsTable { aggregate_id: number; host_id: string }
export interface AggregateMetadataTable { aggregate_id: number; name: string; value: string }

export interface ServerGroupsTable {
  num: Generated<number>;
  id: string;
  name: string;
  policy: string;
  /** Members on one host at most; for anti-affinity, where 1 is meant when it is absent. */
  max_per_host: number | null;
  project_id: string;
  user_id: string;
  created_at: Date;
}
export interface ServerGroupMembersTable { group_id: string; instance_id: string }

/** Work of which only one conductor may be at a time. */
export interface LeasesTable { name: string; owner: string; lease_until: Date }

/** A token of a console; a session once it was used. Secrets are kept as SHA-256 in hexadecimal digits. */
export interface ConsoleAuthTokensTable {
  /** Also names the session. */
  id: string;
  token_hash: string;
  /** vnc or serial. */
  protocol: string;
  /** As the API calls it, e.g. novnc. */
  console_type: string;
  instance_id: string;
  /** Of the user's token. */
  project_id: string | null;
  user_id: string;
  /** ConsoleHolder. */
  holder_json: string;
  created_at: Date;
  /** Until then the token opens a session. */
  expires_at: Date;
  /** Of the secret by which the page that opened the session may come back. */
  page_hash: string | null;
  /** The page's present connection. */
  attempt_id: string | null;
  /** Where that connection leads. */
  host_id: string | null;
  opened_at: Date | null;
  /** When the session was last known to be open. */
  seen_at: Date | null;
  ends_at: Date | null;
  forget_at: Date;
}

export interface ComputeDb extends WithOutbox {
  instances: InstancesTable;
  instance_faults: InstanceFaultsTable;
  instance_metadata: InstanceMetadataTable;
  instance_tags: InstanceTagsTable;
  operations: OperationsTable;
  operation_steps: OperationStepsTable;
  commands: CommandsTable;
  instance_actions: InstanceActionsTable;
  flavors: FlavorsTable;
  flavor_extra_specs: FlavorExtraSpecsTable;
  flavor_projects: FlavorProjectsTable;
  keypairs: KeypairsTable;
  quota_limits: QuotaLimitsTable;
  quota_usages: QuotaUsagesTable;
  hosts: HostsTable;
  services: ServicesTable;
  leases: LeasesTable;
  migrations: MigrationsTable;
  host_drains: HostDrainsTable;
  drained_instances: DrainedInstancesTable;
  server_groups: ServerGroupsTable;
  server_group_members: ServerGroupMembersTable;
  aggregates: AggregatesTable;
  aggregate_hosts: AggregateHostsTable;
  aggregate_metadata: AggregateMetadataTable;
  console_auth_tokens: ConsoleAuthTokensTable;
}
