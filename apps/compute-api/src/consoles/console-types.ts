import type { ConsoleProtocol } from '@virga/contracts';

/** A kind of console as the API calls it. */
export interface ConsoleType {
  /** Undefined for kinds that no guest of this cloud has. */
  protocol: ConsoleProtocol | undefined;
  /** Page of the console proxy. */
  page: string;
}

/** By the `protocol` of the API, then by its `type`. */
export const CONSOLE_TYPES: Record<string, Record<string, ConsoleType>> = {
  vnc: { novnc: { protocol: 'vnc', page: 'vnc_auto.html' } },
  spice: { 'spice-html5': { protocol: 'spice', page: 'spice_auto.html' } },
  serial: { serial: { protocol: 'serial', page: 'serial_auto.html' } },
  rdp: { 'rdp-html5': { protocol: undefined, page: '' } },
  mks: { webmks: { protocol: undefined, page: '' } },
};
