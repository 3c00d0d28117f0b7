/**
 * Domain events in the form with a callback id. `id` is what is registered, `number` the procedure of the message.
 * Where libvirt nests the message in a wrapper the fields are listed flat: XDR structures have no framing.
 */
import type { Codec, Fields, InOf, OutOf } from './codec';
import { domain, hyper, int, LIMIT, list, nullable, params, string, struct, uhyper, uint } from './structs';

const dom = domain;
const address = struct({ family: int, node: string, service: string });
const identity = struct({ type: string, name: string });

function event<F extends Fields>(id: number, number: number, fields: F) {
  return { id, number, message: struct({ callbackId: int, dom, ...fields }) };
}

/** The wake-up and suspend messages carry a reason between callback id and domain. */
function powerEvent(id: number, number: number) {
  return { id, number, message: struct({ callbackId: int, reason: int, dom }) };
}

export const domainEvents = {
  lifecycle: event(0, 318, { event: int, detail: int }),
  reboot: event(1, 319, {}),
  rtcChange: event(2, 320, { offset: hyper }),
  watchdog: event(3, 321, { action: int }),
  ioError: event(4, 322, { path: string, alias: string, action: int }),
  graphics: event(5, 323, { phase: int, local: address, remote: address, authScheme: string, subject: list(identity, 20) }),
  ioErrorReason: event(6, 324, { path: string, alias: string, action: int, reason: string }),
  controlError: event(7, 325, {}),
  blockJob: event(8, 326, { path: string, type: int, status: int }),
  diskChange: event(9, 327, { oldPath: nullable(string), newPath: nullable(string), alias: string, reason: int }),
  trayChange: event(10, 328, { alias: string, reason: int }),
  pmWakeup: powerEvent(11, 329),
  pmSuspend: powerEvent(12, 330),
  balloonChange: event(13, 331, { actual: uhyper }),
  pmSuspendDisk: powerEvent(14, 332),
  deviceRemoved: event(15, 333, { alias: string }),
  blockJob2: event(16, 339, { disk: string, type: int, status: int }),
  tunable: event(17, 346, { params: params(LIMIT.manyParams) }),
  agentLifecycle: event(18, 348, { state: int, reason: int }),
  deviceAdded: event(19, 354, { alias: string }),
  migrationIteration: event(20, 359, { iteration: int }),
  jobCompleted: event(21, 363, { params: params(LIMIT.params) }),
  deviceRemovalFailed: event(22, 367, { alias: string }),
  metadataChange: event(23, 379, { type: int, uri: nullable(string) }),
  blockThreshold: event(24, 385, { device: string, path: nullable(string), threshold: uhyper, excess: uhyper }),
  memoryFailure: event(25, 423, { recipient: int, action: int, flags: uint }),
  memoryDeviceSizeChange: event(26, 438, { alias: string, size: uhyper }),
};

export type DomainEventName = keyof typeof domainEvents;
/** Payload of each event by name. */
export type DomainEventMap = { [N in DomainEventName]: OutOf<(typeof domainEvents)[N]['message']> };
/** The same as a server encodes it. */
export type DomainEventIn<N extends DomainEventName> = InOf<(typeof domainEvents)[N]['message']>;
export const domainEventNames = Object.keys(domainEvents) as DomainEventName[];

/** Event name by procedure number of its message. */
export const eventByNumber: ReadonlyMap<number, DomainEventName> = new Map(
  domainEventNames.map((name) => [domainEvents[name].number, name]),
);

/** The message codec of an event without its types, for code that handles any event. */
export function messageOf(name: DomainEventName): Codec<unknown, never> {
  return domainEvents[name].message as Codec<unknown, never>;
}
