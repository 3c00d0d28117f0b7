import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { DiscoveryModule, DiscoveryService, NestFactory } from '@nestjs/core';
import { Type } from '@sinclair/typebox';
import { conflict } from '@virga/core';
import { call, defineContract, type MessageMeta } from './contract';
import { MemoryBroker } from './memory-bus';
import { BusTransport, ServeContract } from './nest-transport';

const Text = Type.Object({ text: Type.String() });
const contract = defineContract('greeter', { greet: call(Text, Text), refuse: call(Text, Text) });

class Greeting { readonly word = 'hello'; }

@ServeContract(contract)
class Greeter {
  constructor(private readonly greeting: Greeting) {}
  async greet({ text }: { text: string }, { sender }: MessageMeta) { return { text: `${this.greeting.word} ${text} of ${sender}` }; }
  async refuse(): Promise<{ text: string }> { throw conflict('no', { type: 'Taken' }); }
}

@Module({ imports: [DiscoveryModule], providers: [Greeting, { provide: Greeter, inject: [Greeting], useFactory: (greeting: Greeting) => new Greeter(greeting) }] })
class ByFactory {}
@Module({ imports: [DiscoveryModule], providers: [{ provide: Greeter, useClass: Greeter }, { provide: Greeting, useValue: new Greeting() }] })
class ByClass {}
Reflect.defineMetadata('design:paramtypes', [Greeting], Greeter);
@Module({ imports: [DiscoveryModule] })
class Empty {}

describe('the bus as a Nest transport', () => {
  const start = async (module: new () => object, broker = new MemoryBroker()) => {
    const app = await NestFactory.createMicroservice(module, {
      logger: false, abortOnError: false, inject: [DiscoveryService],
      useFactory: (discovery: DiscoveryService) => ({ strategy: new BusTransport(broker.connect('greeter'), discovery) }),
    });
    await app.listen();
    return { app, client: broker.connect('caller').client(contract) };
  };

  test.each([ByClass, ByFactory])('providers serve their contract with what they were injected (%p)', async (module) => {
    const { app, client } = await start(module);
    expect(await client.greet({ text: 'Ada' })).toEqual({ text: 'hello Ada of caller' });
    await expect(client.refuse({ text: '' })).rejects.toMatchObject({ kind: 'conflict', message: 'no', type: 'Taken' });
    await app.close();
    await expect(client.greet({ text: '' })).rejects.toMatchObject({ kind: 'unavailable' });
  });

  test('an application that serves nothing does not start', async () => {
    await expect(start(Empty)).rejects.toThrow('No provider serves a contract.');
  });
});
