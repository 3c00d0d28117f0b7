import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export interface TicketClaims { imageId: string; hostId: string; expiresAt: number }

/**
 * Leave for one host to fetch one image for a short time: `<image>.<host>.<expiry>.<HMAC-SHA256>`. The key lives as long
 * as the process: a ticket from before a restart is refused and the agent asks for another.
 */
export class DownloadTickets {
  private readonly key = randomBytes(32);

  issue(claims: TicketClaims): string {
    const body = `${claims.imageId}.${claims.hostId}.${claims.expiresAt}`;
    return `${body}.${this.mac(body).toString('base64url')}`;
  }

  /** The claims of a ticket that holds now, else undefined. */
  verify(ticket: string, now = Date.now()): TicketClaims | undefined {
    const parts = ticket.split('.');
    if (parts.length !== 4) return undefined;
    const [imageId, hostId, expiry, given] = parts as [string, string, string, string];
    const mac = Buffer.from(given, 'base64url');
    const own = this.mac(`${imageId}.${hostId}.${expiry}`);
    if (mac.length !== own.length || !timingSafeEqual(mac, own)) return undefined;
    const expiresAt = Number(expiry);
    return expiresAt > now ? { imageId, hostId, expiresAt } : undefined;
  }

  private mac(body: string): Buffer {
    return createHmac('sha256', this.key).update(body).digest();
  }
}
