import { createHash, randomBytes } from 'node:crypto';
import type { TicketClaims } from './download-tickets';

export interface UploadClaims extends TicketClaims { maxBytes: number }

/** Above this many tickets that nobody used, the oldest end first. */
const MOST_OPEN = 10_000;

/**
 * Leave for one host to bring the data of one image, once. A ticket is 256 random bits; kept is only its hash, in this
 * process: after a restart, or when it was used, the agent asks for another.
 */
export class UploadTickets {
  private readonly open = new Map<string, UploadClaims>();

  issue(claims: UploadClaims, now = Date.now()): string {
    for (const [key, { expiresAt }] of this.open) {
      if (expiresAt > now && this.open.size < MOST_OPEN) break;
      this.open.delete(key);
    }
    const ticket = randomBytes(32).toString('base64url');
    this.open.set(digest(ticket), claims);
    return ticket;
  }

  /** The claims of a ticket for this image that holds now, which ends with it; else undefined. */
  take(ticket: string, imageId: string, now = Date.now()): UploadClaims | undefined {
    const key = digest(ticket);
    const claims = this.open.get(key);
    if (claims?.imageId !== imageId) return undefined;
    this.open.delete(key);
    return claims.expiresAt > now ? claims : undefined;
  }
}

const digest = (ticket: string): string => createHash('sha256').update(ticket).digest('base64');
