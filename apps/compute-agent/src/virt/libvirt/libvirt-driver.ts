import { POWER_STATE, type BuildSpec } from '@virga/contracts';
import { ErrorCode, isLibvirtError, LibvirtHost } from '@virga/libvirt';
import type { GuestNic, GuestParts, PowerState, VirtDriver } from '../virt-driver';
import { copyRootDisk } from './copy-disk';
import { diagnostics, markStart } from './diagnostics';
import { domainXml, type DomainSettings } from './domain-xml';
import { toCloudError } from './errors';
import { PowerWatch, type PowerVerb } from './events';
import { hostFacts } from './host-facts';
import { LibvirtMigrations } from './migration';
import { attachNic, detachNic } from './nics';
import { OwnDomains } from './own-domains';
import { observe, toPowerState } from './power-state';
import { pause, powerOff, remove, start, stop, suspend, unpause } from './power';

export interface LibvirtDriverOptions extends DomainSettings {
  /** Told what went wrong beside any call: lost connections, failed attempts, an event that could not be looked at. */
  onTrouble?: (error: Error) => void;
}

/** Machines of instances as domains of the local libvirt daemon. The domain's uuid is the instance's id. */
export class LibvirtDriver implements VirtDriver {
  private readonly host: LibvirtHost;
  private readonly ownsHost: boolean;
  private readonly own: OwnDomains;
  private readonly watch: PowerWatch;
  readonly migrations: LibvirtMigrations;
  private readonly resyncListeners = new Set<() => void>();
  private readonly resync = (): void => { for (const listener of this.resyncListeners) listener(); };

  /**
   * @param host path of the daemon's socket, connected to at once and closed with the driver; or a host that its owner
   *   starts and closes, with the `lifecycle` events asked for
   */
  constructor(host: LibvirtHost | string, private readonly options: LibvirtDriverOptions) {
    const trouble = options.onTrouble ?? (() => undefined);
    this.ownsHost = typeof host === 'string';
    this.host = typeof host === 'string' ? new LibvirtHost({ socketPath: host, uri: 'qemu:///system', events: ['lifecycle', 'jobCompleted'] }) : host;
    this.own = new OwnDomains(this.host);
    this.watch = new PowerWatch(this.host, this.own, trouble);
    this.migrations = new LibvirtMigrations(this.host, options);
    this.host.on('connected', this.resync).on('reconnected', this.resync);
    if (this.ownsHost) this.host.on('trouble', trouble).start();
  }

  /** Makes the definition, or makes it anew; a running machine has it from its next start. */
  async define(spec: BuildSpec, parts: GuestParts): Promise<void> {
    const xml = domainXml(spec, parts, this.options);
    await this.translate('define', spec.instanceId, () => this.host.call('domainDefineXmlFlags', { xml }));
    this.own.note(spec.instanceId);
  }

  start(instanceId: string): Promise<void> {
    return this.verb('start', 'start', instanceId, async () => {
      if (!(await start(this.host, instanceId))) return;
      // It may be off again already; only diagnostics know less then.
      await markStart(this.host, instanceId).catch((error: unknown) => {
        if (!isLibvirtError(error, ErrorCode.OPERATION_INVALID, ErrorCode.NO_DOMAIN)) throw error;
      });
    });
  }

  stop(instanceId: string, timeoutSeconds: number): Promise<void> {
    return this.verb('stop', 'stop', instanceId, () => stop(this.host, instanceId, timeoutSeconds));
  }

  powerOff(instanceId: string): Promise<void> {
    return this.verb('stop', 'power off', instanceId, () => powerOff(this.host, instanceId));
  }

  pause(instanceId: string): Promise<void> {
    return this.verb('pause', 'pause', instanceId, () => pause(this.host, instanceId));
  }

  unpause(instanceId: string): Promise<void> {
    return this.verb('unpause', 'unpause', instanceId, () => unpause(this.host, instanceId));
  }

  suspend(instanceId: string): Promise<void> {
    return this.verb('suspend', 'suspend', instanceId, () => suspend(this.host, instanceId));
  }

  attachNic(instanceId: string, nic: GuestNic): Promise<void> {
    return this.translate('connect a card to', instanceId, () => attachNic(this.host, instanceId, nic, this.options));
  }

  detachNic(instanceId: string, macAddress: string): Promise<void> {
    return this.translate('take a card from', instanceId, () => detachNic(this.host, instanceId, macAddress));
  }

  copyRootDisk(instanceId: string, path: string): Promise<void> {
    return this.translate('copy the disk of', instanceId, () => copyRootDisk(this.host, instanceId, path));
  }

  async remove(instanceId: string): Promise<void> {
    await this.verb('remove', 'remove', instanceId, () => remove(this.host, instanceId));
    this.own.forget(instanceId);
  }

  powerState(instanceId: string): Promise<PowerState> {
    return this.translate('look at', instanceId, async () => {
      const observed = await observe(this.host, instanceId);
      return observed ? toPowerState(observed) : POWER_STATE.noState;
    });
  }

  async list(): Promise<{ instanceId: string; powerState: PowerState }[]> {
    try {
      return await this.own.list();
    } catch (error) {
      throw toCloudError(error, 'list its machines');
    }
  }

  async facts(): ReturnType<VirtDriver['facts']> {
    try {
      return await hostFacts(this.host);
    } catch (error) {
      throw toCloudError(error, 'describe itself');
    }
  }

  diagnostics(instanceId: string): Promise<Record<string, unknown>> {
    return this.translate('diagnose', instanceId, () => diagnostics(this.host, instanceId, this.options.virtType));
  }

  onPowerChange(listener: (instanceId: string, powerState: PowerState, reason: string) => void): void {
    this.watch.onChange(listener);
  }

  /** Also at the first connection: what happened before it was not seen either. */
  onResync(listener: () => void): void {
    this.resyncListeners.add(listener);
  }

  get ready(): boolean {
    return this.host.up;
  }

  async close(): Promise<void> {
    this.watch.close();
    this.migrations.close();
    this.host.off('connected', this.resync).off('reconnected', this.resync);
    if (this.ownsHost) await this.host.close();
  }

  private verb(verb: PowerVerb, words: string, instanceId: string, work: () => Promise<void>): Promise<void> {
    return this.watch.during(verb, instanceId, () => this.translate(words, instanceId, work));
  }

  private async translate<T>(words: string, instanceId: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw toCloudError(error, `${words} instance ${instanceId}`);
    }
  }
}
