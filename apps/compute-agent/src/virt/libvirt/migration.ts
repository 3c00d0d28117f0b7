import type { MigrationStanding } from '@virga/contracts';
import {
  DomainState, ErrorCode, isLibvirtError, JobField, JobType, LifecycleDetail, LifecycleEvent, MigrateFlag, MigrateParam, numberParam, param, PausedReason, RunningReason, ShutoffReason, XmlFlag, type DomainEventMap, type LibvirtHost, type TypedParam,
} from '@virga/libvirt';
import type { MigrationDriver, MigrationJob, MigrationPlan } from '../virt-driver';
import type { DomainSettings } from './domain-xml';
import { toCloudError } from './errors';
import { observe } from './power-state';
import { relocate } from './relocate';
import { element, writeXml } from './xml';

/** Nothing travels in clear text. */
const FLAGS = MigrateFlag.LIVE | MigrateFlag.PEER2PEER | MigrateFlag.PERSIST_DEST | MigrateFlag.UNDEFINE_SOURCE | MigrateFlag.TLS;
/**
 * Local disks go along, of those with a base image only what differs from it. That storage is shared is known from the hosts themselves
 * and not from the kind of its file system, by which libvirt would judge it.
 */
const DISK_FLAGS = { copied: MigrateFlag.NON_SHARED_INC, shared: MigrateFlag.UNSAFE } as const;

function readJob(params: readonly TypedParam[]): MigrationJob {
  const read = (field: string) => numberParam(params, field);
  const pageSize = numberParam(params, JobField.MEMORY_PAGE_SIZE, 4096);
  return {
    iteration: read(JobField.MEMORY_ITERATION), memoryTotal: read(JobField.MEMORY_TOTAL), memoryProcessed: read(JobField.MEMORY_PROCESSED), memoryRemaining: read(JobField.MEMORY_REMAINING),
    diskTotal: read(JobField.DISK_TOTAL), diskProcessed: read(JobField.DISK_PROCESSED), diskRemaining: read(JobField.DISK_REMAINING),
    dirtyRate: read(JobField.MEMORY_DIRTY_RATE) * pageSize, bandwidth: read(JobField.MEMORY_BPS),
    downtime: params.some(({ field }) => field === JobField.DOWNTIME) ? read(JobField.DOWNTIME) : undefined, elapsed: read(JobField.TIME_ELAPSED),
  };
}

const STOPPED_FOR_IT: readonly number[] = [PausedReason.MIGRATION, PausedReason.POSTCOPY];

/** At the source, and at the destination. */
const SWITCHED = [[LifecycleEvent.SUSPENDED, LifecycleDetail.SUSPENDED.POSTCOPY], [LifecycleEvent.RESUMED, LifecycleDetail.RESUMED.POSTCOPY]] as const;

/** Live migration from libvirt to libvirt. The call that starts it has a connection of its own; watching and steering have others. */
export class LibvirtMigrations implements MigrationDriver {
  private readonly ended = new Map<string, MigrationJob>();
  private readonly note = ({ dom: { uuid }, params }: DomainEventMap['jobCompleted']): void => { this.ended.set(uuid, readJob(params)); };

  private readonly switchListeners = new Set<(instanceId: string) => void>();
  private readonly noteSwitch = ({ dom: { uuid }, event, detail }: DomainEventMap['lifecycle']): void => {
    if (!SWITCHED.some(([one, of]) => event === one && detail === of)) return;
    for (const listener of this.switchListeners) listener(uuid);
  };

  constructor(private readonly host: LibvirtHost, private readonly settings: Pick<DomainSettings, 'cpuModel' | 'virtType'>) {
    host.events.on('jobCompleted', this.note);
    host.events.on('lifecycle', this.noteSwitch);
  }

  async send(uuid: string, { uri, address, from, to, postCopy, copyDisks, resume }: MigrationPlan): Promise<void> {
    const dom = { uuid };
    this.ended.delete(uuid);
    try {
      const xml = async (flags: number) => relocate((await this.host.call('domainGetXmlDesc', { dom, flags: flags | XmlFlag.SECURE })).xml, from, to);
      await this.host.call('domainMigratePerform3Params', {
        dom, destinationUri: uri,
        params: [
          param.string(MigrateParam.URI, `tcp://${address}`),
          ...(resume ? [] : [param.string(MigrateParam.DEST_XML, await xml(XmlFlag.MIGRATABLE)), param.string(MigrateParam.PERSIST_XML, await xml(XmlFlag.INACTIVE))]),
        ],
        flags: FLAGS | (copyDisks ? DISK_FLAGS.copied : DISK_FLAGS.shared) | (postCopy ? MigrateFlag.POSTCOPY : MigrateFlag.AUTO_CONVERGE) | (resume ? MigrateFlag.POSTCOPY_RESUME : 0),
      }, { lane: 'jobs', timeoutMs: 0 });
    } catch (error) {
      throw toCloudError(error, `migrate instance ${uuid}`);
    }
  }

  async job(uuid: string): Promise<MigrationJob | undefined> {
    try {
      const { type, params } = await this.host.call('domainGetJobStats', { dom: { uuid } });
      if (type !== JobType.BOUNDED && type !== JobType.UNBOUNDED) return undefined;
      const { state, reason } = await this.host.call('domainGetState', { dom: { uuid } });
      // It counts on, and nothing moves.
      if (state === DomainState.PAUSED && reason === PausedReason.POSTCOPY_FAILED) return undefined;
      return { ...readJob(params), switched: state === DomainState.PAUSED && reason === PausedReason.POSTCOPY };
    } catch (error) {
      if (isLibvirtError(error, ErrorCode.NO_DOMAIN, ErrorCode.OPERATION_INVALID)) return undefined;
      throw toCloudError(error, `look at the migration of instance ${uuid}`);
    }
  }

  finalJob(uuid: string): MigrationJob | undefined {
    return this.ended.get(uuid);
  }

  async standing(uuid: string): Promise<MigrationStanding> {
    const observed = await observe(this.host, uuid).catch((error: unknown) => { throw toCloudError(error, `look at instance ${uuid}`); });
    if (!observed) return 'gone';
    const { state, reason } = observed;
    if (state === DomainState.SHUTOFF) return reason === ShutoffReason.MIGRATED ? 'gone' : 'off';
    if (state === DomainState.CRASHED) return 'off';
    if (state === DomainState.PAUSED && reason === PausedReason.POSTCOPY_FAILED) return 'broken';
    // At the destination: it runs already, and the rest of its memory comes, or came no more.
    if (state === DomainState.RUNNING && reason === RunningReason.POSTCOPY_FAILED) return 'broken';
    if (state === DomainState.RUNNING && reason === RunningReason.POSTCOPY) return 'moving';
    if (await this.job(uuid)) return 'moving';
    return state === DomainState.PAUSED && STOPPED_FOR_IT.includes(reason) ? 'doubtful' : 'here';
  }

  async switchToPostCopy(uuid: string): Promise<boolean> {
    return this.steer(() => this.host.call('domainMigrateStartPostCopy', { dom: { uuid } }));
  }

  async allowDowntime(uuid: string, ms: number): Promise<void> {
    await this.steer(() => this.host.call('domainMigrateSetMaxDowntime', { dom: { uuid }, downtime: ms }));
  }

  async abort(uuid: string): Promise<void> {
    await this.steer(() => this.host.call('domainAbortJob', { dom: { uuid } }));
  }

  /** Called at either end when a guest has been switched to post-copy. */
  onSwitch(listener: (instanceId: string) => void): void {
    this.switchListeners.add(listener);
  }

  async refuseCpu(): Promise<string | undefined> {
    const { cpuModel, virtType } = this.settings;
    const { models } = await this.host.call('connectGetCpuModelNames', { arch: 'x86_64', needResults: 1 });
    if (!models.includes(cpuModel)) return `its hypervisor does not know the CPU model ${cpuModel}`;
    // An emulator runs them all.
    if (virtType === 'qemu') return undefined;
    const cpu = element('cpu', { mode: 'custom', match: 'exact' }, element('model', { fallback: 'forbid' }, cpuModel), ['svm', 'vmx'].map((name) => element('feature', { policy: 'disable', name })));
    const { result } = await this.host.call('connectCompareHypervisorCpu', { arch: 'x86_64', virtType, cpuXml: writeXml(cpu) });
    return result > 0 ? undefined : `its processors cannot run the CPU model ${cpuModel}`;
  }

  close(): void {
    this.host.events.off('jobCompleted', this.note);
    this.host.events.off('lifecycle', this.noteSwitch);
    this.switchListeners.clear();
  }

  /** False when the migration is over, or has not come far enough to be steered. */
  private async steer(call: () => Promise<unknown>): Promise<boolean> {
    try {
      await call();
      return true;
    } catch (error) {
      if (isLibvirtError(error, ErrorCode.OPERATION_INVALID, ErrorCode.NO_DOMAIN, ErrorCode.INTERNAL_ERROR)) return false;
      throw toCloudError(error, 'steer the migration');
    }
  }
}
