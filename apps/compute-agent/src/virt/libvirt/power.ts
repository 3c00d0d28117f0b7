import { conflict, notFound } from '@virga/core';
import {
  DomainState, ErrorCode, isLibvirtError, LifecycleEvent, PausedReason, SaveFlag, ShutdownFlag, UndefineFlag, type DomainEventMap, type LibvirtHost,
} from '@virga/libvirt';
import { isActive, observe, type Observed } from './power-state';

/** A guest that just boots, or is busy, misses the power button; it is pressed again this often. */
const PRESS_AGAIN_MS = 5_000;
/** Events tell sooner; the state is read this often because one may be lost. */
const LOOK_AGAIN_MS = 1_000;
/** Reading a guest's memory back from disk. */
const RESTORE_TIMEOUT_MS = 30 * 60_000;
/** A killed QEMU may hang in the kernel on a disk that does not answer; libvirt waits about 15 s each time. */
const DESTROY_TRIES = 3;

async function mustObserve(host: LibvirtHost, uuid: string): Promise<Observed> {
  const observed = await observe(host, uuid);
  if (!observed) throw notFound(`Instance ${uuid} has no machine on this host.`);
  return observed;
}

/**
 * Does `act` unless `done` holds already. When the daemon refuses because the state has changed meanwhile, the new
 * state decides.
 */
async function unlessDone(host: LibvirtHost, uuid: string, done: (observed: Observed) => boolean, act: (observed: Observed) => Promise<unknown>): Promise<void> {
  const before = await mustObserve(host, uuid);
  if (done(before)) return;
  try {
    await act(before);
  } catch (error) {
    if (!isLibvirtError(error, ErrorCode.OPERATION_INVALID, ErrorCode.OPERATION_FAILED) || !done(await mustObserve(host, uuid))) throw error;
  }
}

const isRunning = ({ state }: Observed): boolean => state === DomainState.RUNNING || state === DomainState.BLOCKED;
const isPaused = ({ state }: Observed): boolean => state === DomainState.PAUSED;

function refuse(uuid: string, what: string): never {
  throw conflict(`Instance ${uuid} cannot be ${what} in its present power state.`);
}

/** From off, from saved memory, or from a pause. Resolves to true when the machine was off before. */
export async function start(host: LibvirtHost, uuid: string): Promise<boolean> {
  let wasOff = false;
  await unlessDone(host, uuid, isRunning, async (observed) => {
    if (isPaused(observed)) return resume(host, uuid, observed);
    if (isActive(observed)) refuse(uuid, 'started');
    await host.call('domainCreateWithFlags', { dom: { uuid } }, observed.saved ? { lane: 'jobs', timeoutMs: RESTORE_TIMEOUT_MS } : {});
    wasOff = true;
  });
  return wasOff;
}

/** A guest that is paused for its migration belongs to the migration: continuing it here could make two of it. */
const MIGRATING: readonly number[] = [PausedReason.MIGRATION, PausedReason.POSTCOPY, PausedReason.POSTCOPY_FAILED];

function resume(host: LibvirtHost, uuid: string, { reason }: Observed): Promise<unknown> {
  if (MIGRATING.includes(reason)) refuse(uuid, 'continued');
  return host.call('domainResume', { dom: { uuid } });
}

export async function pause(host: LibvirtHost, uuid: string): Promise<void> {
  await unlessDone(host, uuid, isPaused, (observed) =>
    (isRunning(observed) ? host.call('domainSuspend', { dom: { uuid } }) : refuse(uuid, 'paused')));
}

export async function unpause(host: LibvirtHost, uuid: string): Promise<void> {
  await unlessDone(host, uuid, isRunning, (observed) => (isPaused(observed) ? resume(host, uuid, observed) : refuse(uuid, 'unpaused')));
}

/** Memory to libvirt's own file; the next start continues from it, running even if it was paused. */
export async function suspend(host: LibvirtHost, uuid: string): Promise<void> {
  await unlessDone(host, uuid, ({ saved }) => saved, (observed) =>
    (isActive(observed) ? host.call('domainManagedSave', { dom: { uuid }, flags: SaveFlag.RUNNING }) : refuse(uuid, 'suspended')));
}

/** Cuts the power and forgets saved memory, so that the next start is a boot. */
export async function powerOff(host: LibvirtHost, uuid: string): Promise<void> {
  for (let tries = 1; ; tries += 1) {
    const observed = await mustObserve(host, uuid);
    try {
      if (isActive(observed)) await host.call('domainDestroyFlags', { dom: { uuid } });
      else if (observed.saved) await host.call('domainManagedSaveRemove', { dom: { uuid } });
      return;
    } catch (error) {
      if (tries >= DESTROY_TRIES || !isLibvirtError(error, ErrorCode.OPERATION_INVALID, ErrorCode.SYSTEM_ERROR)) throw error;
    }
  }
}

/**
 * Presses the power button until the guest is off or `timeoutSeconds` are over, then cuts the power. A guest that does
 * not run cannot hear the button: its power is cut at once, and saved memory is forgotten.
 */
export async function stop(host: LibvirtHost, uuid: string, timeoutSeconds: number): Promise<void> {
  const end = Date.now() + timeoutSeconds * 1000;
  let pressed = -Infinity;
  while (Date.now() < end) {
    const observed = await mustObserve(host, uuid);
    if (!isRunning(observed) && observed.state !== DomainState.SHUTDOWN) break;
    if (isRunning(observed) && Date.now() - pressed >= PRESS_AGAIN_MS) {
      await pressPowerButton(host, uuid);
      pressed = Date.now();
    }
    await stoppedOrLater(host, uuid, Math.min(LOOK_AGAIN_MS, end - Date.now()));
  }
  await powerOff(host, uuid);
}

/** One that is off already, or so busy that the daemon cannot get at it, is met again by the next look. */
async function pressPowerButton(host: LibvirtHost, uuid: string): Promise<void> {
  try {
    await host.call('domainShutdownFlags', { dom: { uuid }, flags: ShutdownFlag.ACPI_POWER_BTN });
  } catch (error) {
    if (!isLibvirtError(error, ErrorCode.OPERATION_INVALID, ErrorCode.OPERATION_TIMEOUT)) throw error;
  }
}

function stoppedOrLater(host: LibvirtHost, uuid: string, ms: number): Promise<void> {
  return new Promise((resolve) => {
    const finish = () => {
      clearTimeout(timer);
      host.events.off('lifecycle', seen);
      resolve();
    };
    const seen = ({ dom, event }: DomainEventMap['lifecycle']) => {
      if (dom.uuid === uuid && event === LifecycleEvent.STOPPED) finish();
    };
    const timer = setTimeout(finish, Math.max(0, ms));
    host.events.on('lifecycle', seen);
  });
}

const UNDEFINE_ALL = UndefineFlag.MANAGED_SAVE | UndefineFlag.SNAPSHOTS_METADATA | UndefineFlag.CHECKPOINTS_METADATA | UndefineFlag.NVRAM;

/** Cuts the power and makes libvirt forget the domain with all it keeps of it; no domain is success. */
export async function remove(host: LibvirtHost, uuid: string): Promise<void> {
  try {
    await powerOff(host, uuid);
    await host.call('domainUndefineFlags', { dom: { uuid }, flags: UNDEFINE_ALL });
  } catch (error) {
    // Also where powerOff said notFound, and where a domain without a definition vanished with its process.
    if ((await observe(host, uuid)) !== undefined) throw error;
  }
}
