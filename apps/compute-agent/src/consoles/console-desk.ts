import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { CONSOLE_GRANT_HEADER, CONSOLE_PROTOCOLS, CONSOLE_UPGRADE, type ConsoleProtocol } from '@virga/contracts';
import { CloudError, conflict, forbidden, notFound, systemClock, type Logger } from '@virga/core';
import type { HostServer } from '../host-server/host-server';
import { CONSOLE_LOG, CONSOLE_SOCKETS } from '../instances/guest-parts';
import type { InstanceHost } from '../instances/instance-host';
import type { InstanceStore } from '../instances/instance-store';
import { readConsoleLog } from './console-log';
import { ConsoleGrants } from './console-grants';
import { relayScreen } from './relay-screen';
import { SerialLine } from './serial-line';

/** What the control plane asks of a host about consoles. */
export interface ConsoleDesk {
  describe(instanceId: string): Promise<{ protocols: ConsoleProtocol[]; running: boolean }>;
  /** `onlyRunning`: a paused guest counts as off. */
  grant(instanceId: string, protocol: ConsoleProtocol, grantHash: string, ttlMs: number, onlyRunning?: boolean): Promise<'ready' | 'off' | 'absent'>;
}

/** Of a host whose guests have no screen and no line. */
export const NO_CONSOLES: ConsoleDesk = { describe: async () => ({ protocols: [], running: false }), grant: async () => 'absent' };

/** How long a viewer of a guest that has just come waits for what it has printed elsewhere, ms. */
const LOG_WAIT_MS = 1000;
const LOG_LOOK_MS = 50;
const SCROLLBACK_BYTES = 64 * 1024;
const RUNNING = 1;
const PAUSED = 3;

/** Consoles of real guests: sockets in their directories, relayed to a proxy that the control plane has let in. */
export class LocalConsoles implements ConsoleDesk {
  private readonly grants = new ConsoleGrants();
  private readonly lines = new Map<string, SerialLine>();

  constructor(private readonly host: Pick<InstanceHost, 'driver'> & { store: InstanceStore; spice: boolean }, private readonly logger: Logger) {}

  async describe(instanceId: string, onlyRunning = false): Promise<{ protocols: ConsoleProtocol[]; running: boolean }> {
    const { store, driver, spice } = this.host;
    await store.spec(instanceId);
    const power = await driver.powerState(instanceId);
    const running = power === RUNNING || (power === PAUSED && !onlyRunning);
    // A guest that runs has what it was started with, here or on the host that it came from.
    const hasSpice = running ? await access(join(store.dir(instanceId), CONSOLE_SOCKETS.spice)).then(() => true, () => false) : spice;
    return { protocols: hasSpice ? ['vnc', 'spice', 'serial'] : ['vnc', 'serial'], running };
  }

  async grant(instanceId: string, protocol: ConsoleProtocol, grantHash: string, ttlMs: number, onlyRunning = false): Promise<'ready' | 'off' | 'absent'> {
    const { protocols, running } = await this.describe(instanceId, onlyRunning);
    if (!running) return 'off';
    if (!protocols.includes(protocol)) return 'absent';
    this.grants.add(grantHash, { instanceId, protocol }, ttlMs);
    return 'ready';
  }

  /** Lets console proxies connect. */
  serveOn(server: HostServer): void {
    server.upgrade(CONSOLE_UPGRADE, '/v1/consoles/:instanceId/:protocol', ['console-proxy'], async ({ request, params, accept }) => {
      const { instanceId, protocol } = params as { instanceId: string; protocol: ConsoleProtocol };
      const secret = request.headers[CONSOLE_GRANT_HEADER];
      if (!CONSOLE_PROTOCOLS.includes(protocol)) throw notFound('There is no such console.');
      if (typeof secret !== 'string' || !this.grants.take(secret, { instanceId, protocol })) throw forbidden('Nobody has allowed this connection.');
      const dir = this.host.store.dir(instanceId);
      try {
        await (protocol === 'serial' ? this.joinLine(instanceId, dir, accept) : relayScreen(join(dir, CONSOLE_SOCKETS[protocol]), accept));
      } catch (error) {
        if (error instanceof CloudError) throw error;
        throw conflict(`The console cannot be reached: ${(error as NodeJS.ErrnoException).code ?? 'the guest is off'}.`);
      }
    });
  }

  private async scrollback(instanceId: string, dir: string): Promise<Buffer> {
    for (let waited = 0; waited < LOG_WAIT_MS && await this.host.store.isLogExpected(instanceId); waited += LOG_LOOK_MS) await systemClock.sleep(LOG_LOOK_MS);
    return readConsoleLog(join(dir, CONSOLE_LOG), SCROLLBACK_BYTES);
  }

  private async joinLine(instanceId: string, dir: string, accept: () => Duplex): Promise<void> {
    const line = this.lines.get(instanceId) ?? new SerialLine(join(dir, CONSOLE_SOCKETS.serial), () => this.scrollback(instanceId, dir),
      () => { if (this.lines.get(instanceId) === line) this.lines.delete(instanceId); }, this.logger);
    this.lines.set(instanceId, line);
    try {
      await line.join(accept);
    } catch (error) {
      line.end();
      throw error;
    }
  }
}
