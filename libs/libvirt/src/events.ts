/** Domain events of one connection: registers each kind once for all domains and delivers by name. */
import { EventEmitter } from 'node:events';
import type { LibvirtConnection } from './connection';
import { LibvirtProtocolError } from './errors';
import { domainEvents, eventByNumber, messageOf } from './protocol/events';
import type { DomainEventMap, DomainEventName } from './protocol/events';
import { XdrReader } from './xdr';

type Emitted = { [N in DomainEventName]: [DomainEventMap[N]] };

/** Listen with `on(name, listener)`; route by `event.dom.uuid`. */
export class DomainEvents extends EventEmitter<Emitted> {
  private readonly registered = new Map<DomainEventName, number>();

  constructor(private readonly connection: LibvirtConnection) {
    super();
    connection.on('message', (procedure, body) => this.receive(procedure, body));
  }

  /**
   * Asks the daemon for these events of all domains; those already registered are left alone.
   * @throws LibvirtError code 39 or 8 where the daemon is too old for an event
   */
  async register(names: readonly DomainEventName[]): Promise<void> {
    for (const name of names) {
      if (this.registered.has(name)) continue;
      const { callbackId } = await this.connection.call('connectRegisterDomainEvent', { eventId: domainEvents[name].id });
      this.registered.set(name, callbackId);
    }
  }

  /** Stops these events. */
  async deregister(names: readonly DomainEventName[]): Promise<void> {
    for (const name of names) {
      const callbackId = this.registered.get(name);
      if (callbackId === undefined) continue;
      this.registered.delete(name);
      await this.connection.call('connectDeregisterDomainEvent', { callbackId });
    }
  }

  private receive(procedure: number, body: Buffer): void {
    const name = eventByNumber.get(procedure);
    if (!name) return;
    let event: unknown;
    try {
      const reader = new XdrReader(body);
      event = messageOf(name).decode(reader);
      reader.end();
    } catch (error) {
      if (!(error instanceof LibvirtProtocolError)) throw error;
      this.connection.emit('protocolError', new LibvirtProtocolError(`malformed event ${name}: ${error.message}`));
      return;
    }
    (this as EventEmitter).emit(name, event);
  }
}
