import { EventEmitter } from 'node:events';

interface LockEvents {
  acquired: [];
  lost: [];
}

/** What a lock needs from its client. */
export interface LockPort {
  call(method: 'lock' | 'steal' | 'unlock', name: string): Promise<unknown>;
  forget(lock: DatabaseLock): void;
}

/**
 * Interest in a named lock of the server (RFC 7047, 4.1.8). The server grants it to one connection at a time, in
 * the order of asking. It is lost with the connection and asked for again on the next one. Guard what may only
 * happen while it is held with `assertLock` in the same transaction: `held` alone can be out of date.
 * In a cluster locks are kept per server, so use them with `leaderOnly`.
 */
export class DatabaseLock extends EventEmitter<LockEvents> {
  private owned = false;
  private released = false;
  private messages = 0;

  /** @internal */
  constructor(
    readonly name: string,
    private readonly port: LockPort,
  ) {
    super();
  }

  get held(): boolean {
    return this.owned;
  }

  /** Resolves when the lock is held, rejects with the signal's reason. */
  async whenHeld(signal?: AbortSignal): Promise<void> {
    if (this.owned) return;
    await new Promise<void>((resolve, reject) => {
      const settle = (): void => {
        this.off('acquired', settle);
        signal?.removeEventListener('abort', settle);
        if (this.owned) resolve();
        else reject(signal?.reason as Error);
      };
      this.on('acquired', settle);
      if (signal?.aborted) settle();
      else signal?.addEventListener('abort', settle);
    });
  }

  /** Takes the lock from whoever holds it; that one goes back to waiting. */
  async steal(): Promise<void> {
    if (this.owned) return;
    // A server refuses to change a waiting request; the two calls are sent together and stay in order.
    const unlocked = this.port.call('unlock', this.name);
    await Promise.all([unlocked.catch(() => undefined), this.port.call('steal', this.name)]);
    this.setHeld(true);
  }

  /** Gives the lock up, or stops waiting for it. */
  async release(): Promise<void> {
    this.released = true;
    this.setHeld(false);
    this.port.forget(this);
    await this.port.call('unlock', this.name);
  }

  /** Asks for the lock on a new connection. @internal */
  async request(): Promise<void> {
    const { messages } = this;
    const answer = (await this.port.call('lock', this.name)) as { locked?: unknown };
    // A `locked` or `stolen` message that followed the answer may have been handled before it.
    if (answer.locked === true && messages === this.messages) this.setHeld(true);
  }

  /** The server said `locked` or `stolen`. @internal */
  notified(held: boolean): void {
    this.messages++;
    this.setHeld(held);
  }

  /** @internal */
  setHeld(held: boolean): void {
    if (held === this.owned || (held && this.released)) return;
    this.owned = held;
    this.emit(held ? 'acquired' : 'lost');
  }
}
