import { createHash } from 'node:crypto';
import type { ConsoleProtocol } from '@virga/contracts';
import { systemClock, type Clock } from '@virga/core';

export interface ConsoleGrant { instanceId: string; protocol: ConsoleProtocol }

/** More than a host's consoles could ever wait for at once; beyond it somebody asks without coming. */
const MOST = 4096;

/**
 * What the control plane has allowed a proxy to open, each once and for a few seconds. Kept in memory only: the
 * certificate of a proxy alone, even a stolen one, opens no console.
 */
export class ConsoleGrants {
  private readonly grants = new Map<string, ConsoleGrant & { until: number }>();

  constructor(private readonly clock: Pick<Clock, 'now'> = systemClock) {}

  /** `hash`: SHA-256 of the secret, hexadecimal. */
  add(hash: string, grant: ConsoleGrant, ttlMs: number): void {
    const now = this.clock.now();
    // The eldest stand first.
    for (const [key, { until }] of this.grants) {
      if (until > now && this.grants.size < MOST) break;
      this.grants.delete(key);
    }
    this.grants.set(hash, { ...grant, until: now + ttlMs });
  }

  /** True once for a secret that was granted for just this. A secret that was tried on something else is spent. */
  take(secret: string, { instanceId, protocol }: ConsoleGrant): boolean {
    const hash = createHash('sha256').update(secret).digest('hex');
    const grant = this.grants.get(hash);
    this.grants.delete(hash);
    return grant !== undefined && grant.until > this.clock.now() && grant.instanceId === instanceId && grant.protocol === protocol;
  }
}
