import 'reflect-metadata';
import { DiscoveryService } from '@nestjs/core';
import { Server, type CustomTransportStrategy } from '@nestjs/microservices';
import type { Bus, ServeOptions, Served } from './bus';
import type { Contract, Handlers } from './contract';

const SERVES = Symbol('virga.serves');
interface Serves { contract: Contract; options: ServeOptions }

/** Marks a Nest provider as the server of a contract. A method that is missing or has the wrong types does not compile. */
export const ServeContract = <C extends Contract>(contract: C, options: ServeOptions = {}) =>
  (target: new (...dependencies: never[]) => Handlers<C>): void => {
    Reflect.defineMetadata(SERVES, { contract, options } satisfies Serves, target);
  };

/**
 * The bus as a transport of a Nest application: at start it binds every provider that has `@ServeContract` by
 * `bus.serve`, at shutdown it takes no new message and waits for those in work. The bus itself belongs to the caller.
 */
export class BusTransport extends Server implements CustomTransportStrategy {
  private served: Served[] = [];

  constructor(private readonly bus: Bus, private readonly discovery: DiscoveryService) {
    super();
  }

  listen(callback: (error?: unknown) => void): void {
    this.bindAll().then(() => callback(), callback);
  }

  async close(): Promise<void> {
    await Promise.all(this.served.splice(0).map((served) => served.stop()));
  }

  /** Part of Nest's interface; the bus tells of itself by `connected` and `onReconnect`. */
  on(): this {
    return this;
  }

  unwrap<T>(): T {
    return this.bus as T;
  }

  private async bindAll(): Promise<void> {
    for (const { instance } of this.discovery.getProviders()) {
      const made = (instance as object | null | undefined)?.constructor;
      const serves = made ? (Reflect.getMetadata(SERVES, made) as Serves | undefined) : undefined;
      if (serves) this.served.push(await this.bus.serve(serves.contract, instance as Handlers<Contract>, serves.options));
    }
    if (this.served.length === 0) throw new Error('No provider serves a contract.');
  }
}
