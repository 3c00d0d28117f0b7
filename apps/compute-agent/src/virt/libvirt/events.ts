import { POWER_STATE } from '@virga/contracts';
import { errorMessage } from '@virga/core';
import { LifecycleDetail, LifecycleEvent, type DomainEventMap, type LibvirtHost } from '@virga/libvirt';
import type { PowerState } from '../virt-driver';
import type { OwnDomains } from './own-domains';
import { observe, toPowerState } from './power-state';

type Lifecycle = DomainEventMap['lifecycle'];
type Listener = (instanceId: string, powerState: PowerState, reason: string) => void;

const { STARTED, SUSPENDED, RESUMED, STOPPED, PMSUSPENDED, CRASHED, UNDEFINED } = LifecycleEvent;
const key = (event: number, detail: number): string => `${event}/${detail}`;

/** Why a power state changed, by event and detail. Events that are missing here change none. */
const REASONS: Record<string, string> = {
  [key(STARTED, LifecycleDetail.STARTED.BOOTED)]: 'started on the host',
  [key(STARTED, LifecycleDetail.STARTED.MIGRATED)]: 'arrived by migration',
  [key(STARTED, LifecycleDetail.STARTED.RESTORED)]: 'continued from saved memory',
  [key(STARTED, LifecycleDetail.STARTED.FROM_SNAPSHOT)]: 'started from a snapshot',
  [key(STARTED, LifecycleDetail.STARTED.WAKEUP)]: 'the guest woke up',
  [key(SUSPENDED, LifecycleDetail.SUSPENDED.PAUSED)]: 'paused on the host',
  [key(SUSPENDED, LifecycleDetail.SUSPENDED.IOERROR)]: 'paused because a disk failed',
  [key(SUSPENDED, LifecycleDetail.SUSPENDED.WATCHDOG)]: 'paused by its watchdog',
  [key(SUSPENDED, LifecycleDetail.SUSPENDED.API_ERROR)]: 'paused after a failed operation of the hypervisor',
  [key(SUSPENDED, LifecycleDetail.SUSPENDED.POSTCOPY_FAILED)]: 'paused because its migration was interrupted',
  [key(RESUMED, LifecycleDetail.RESUMED.UNPAUSED)]: 'unpaused on the host',
  [key(STOPPED, LifecycleDetail.STOPPED.SHUTDOWN)]: 'the guest shut down',
  [key(STOPPED, LifecycleDetail.STOPPED.DESTROYED)]: 'stopped by force on the host',
  [key(STOPPED, LifecycleDetail.STOPPED.CRASHED)]: 'the machine crashed',
  [key(STOPPED, LifecycleDetail.STOPPED.MIGRATED)]: 'left by migration',
  [key(STOPPED, LifecycleDetail.STOPPED.SAVED)]: 'memory saved on the host',
  [key(STOPPED, LifecycleDetail.STOPPED.FAILED)]: 'the machine crashed',
  [key(STOPPED, LifecycleDetail.STOPPED.FROM_SNAPSHOT)]: 'stopped by a snapshot',
  [key(PMSUSPENDED, 0)]: 'the guest went to sleep',
  [key(PMSUSPENDED, 1)]: 'the guest went to sleep',
  [key(CRASHED, LifecycleDetail.CRASHED.PANICKED)]: 'the guest panicked',
  [key(CRASHED, LifecycleDetail.CRASHED.CRASHLOADED)]: 'the guest panicked',
  [key(UNDEFINED, LifecycleDetail.UNDEFINED.REMOVED)]: 'removed on the host',
};

/** What the machine must be like now for an event to be still true. */
const { running, paused, shutdown, crashed, suspended, noState } = POWER_STATE;
const STILL_TRUE: Record<number, readonly PowerState[]> = {
  [STARTED]: [running, paused], [RESUMED]: [running], [SUSPENDED]: [paused], [PMSUSPENDED]: [suspended],
  [STOPPED]: [shutdown, crashed, suspended, noState], [CRASHED]: [crashed, shutdown], [UNDEFINED]: [noState],
};

/** Replies and events come over different connections; an event of a verb may be this late, ms. */
const LATE_MS = 5_000;

/** Events that each verb itself brings about. A crash is nobody's verb. */
const BEGUN = [key(STARTED, LifecycleDetail.STARTED.BOOTED), key(STARTED, LifecycleDetail.STARTED.RESTORED)];
const PAUSED = key(SUSPENDED, LifecycleDetail.SUSPENDED.PAUSED);
const UNPAUSED = key(RESUMED, LifecycleDetail.RESUMED.UNPAUSED);
const OFF = [key(STOPPED, LifecycleDetail.STOPPED.SHUTDOWN), key(STOPPED, LifecycleDetail.STOPPED.DESTROYED)];
const OF_VERB = {
  start: [...BEGUN, UNPAUSED],
  stop: OFF,
  pause: [PAUSED],
  unpause: [UNPAUSED],
  suspend: [PAUSED, key(STOPPED, LifecycleDetail.STOPPED.SAVED)],
  remove: [...OFF, key(UNDEFINED, LifecycleDetail.UNDEFINED.REMOVED)],
};
export type PowerVerb = keyof typeof OF_VERB;

/** Reports the changes that no verb of ours has made. */
export class PowerWatch {
  private readonly listeners = new Set<Listener>();
  private readonly expected = new Set<{ uuid: string; events: readonly string[]; until: number }>();
  private readonly receive = (event: Lifecycle): void => void this.judge(event);

  /** @param trouble is told what went wrong while an event was looked at */
  constructor(private readonly host: LibvirtHost, private readonly own: OwnDomains, private readonly trouble: (error: Error) => void) {
    host.events.on('lifecycle', this.receive);
  }

  onChange(listener: Listener): void {
    this.listeners.add(listener);
  }

  /** Runs a verb; the events that belong to it are not reported. */
  async during<T>(verb: PowerVerb, uuid: string, work: () => Promise<T>): Promise<T> {
    this.dropOutdated();
    const expectation = { uuid, events: OF_VERB[verb], until: Infinity };
    this.expected.add(expectation);
    try {
      return await work();
    } finally {
      expectation.until = Date.now() + LATE_MS;
    }
  }

  close(): void {
    this.host.events.off('lifecycle', this.receive);
    this.listeners.clear();
  }

  private async judge({ dom: { uuid }, event, detail }: Lifecycle): Promise<void> {
    const reason = REASONS[key(event, detail)];
    if (reason === undefined || this.isExpected(uuid, key(event, detail))) return;
    try {
      if (event === UNDEFINED ? !this.own.wasOurs(uuid) : !(await this.own.isOurs(uuid))) return;
      // An event tells of the past; what is reported is how it is now.
      const observed = await observe(this.host, uuid);
      const powerState = observed ? toPowerState(observed) : noState;
      if (!STILL_TRUE[event]?.includes(powerState) || this.isExpected(uuid, key(event, detail))) return;
      for (const listener of this.listeners) listener(uuid, powerState, reason);
    } catch (error) {
      this.trouble(error instanceof Error ? error : new Error(errorMessage(error)));
    }
  }

  private isExpected(uuid: string, event: string): boolean {
    const now = Date.now();
    return [...this.expected].some((one) => one.uuid === uuid && one.until > now && one.events.includes(event));
  }

  private dropOutdated(): void {
    const now = Date.now();
    for (const one of this.expected) if (one.until <= now) this.expected.delete(one);
  }
}
