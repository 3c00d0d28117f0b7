import { timedOut, unavailable } from '@virga/core';
import type { Bus, Client, Contract, Handlers, MessageMeta, Served, Target } from '@virga/rpc';
import { currentProcess, never, type SimulatedProcess } from './simulated-process';

type Send = (input: never, options?: { messageId?: string; timeoutMs?: number }) => Promise<unknown>;
/** An operation has many more statements than messages. */
const MESSAGES = 6;
/** A message may come as late as this, ms; most are much less late. */
const LATE_MS = [20, 400, 5000, 60_000];
const CALL_LATE_MS = 3;

const pause = (ms: number) => new Promise<void>((resolve) => { setTimeout(resolve, ms); });

/** The bus as one process has it: messages get lost, come late, twice or in another order, answers do not come back, and with the process its servers go. */
export function simulatedBus(bus: Bus): Bus {
  const client = <C extends Contract>(contract: C, target?: Target): Client<C> => {
    const methods = Object.entries(bus.client(contract, target)).map(([name, send]: [string, Send]) => {
      const spec = contract.methods[name]!;
      return [name, spec.kind === 'cast' ? disturbedCast(send) : disturbedCall(send, spec.timeoutMs)];
    });
    return Object.fromEntries(methods) as Client<C>;
  };
  return {
    get connected() { return bus.connected; },
    client,
    serve: (contract, handlers, options) => serve(bus, contract, handlers, options),
    prepare: (contract, target) => bus.prepare(contract, target),
    publish: (topic, payload) => bus.publish(topic, payload),
    subscribe: (topic, handler) => bus.subscribe(topic, handler),
    onReconnect: (listener) => bus.onReconnect(listener),
    close: () => bus.close(),
  };
}

function disturbedCall(send: Send, timeoutMs: number): Send {
  return async (input, options) => {
    const process = currentProcess();
    const fault = process?.draw(['lost', 'answerLost', 'repeated', 'delayed'], MESSAGES);
    if (process?.dead) return never();
    if (fault === 'delayed') await pause(process!.random.below(process!.random.pick(LATE_MS.slice(0, CALL_LATE_MS))));
    if (fault === 'lost') return unheard(process!, options?.timeoutMs ?? timeoutMs);
    if (fault === 'repeated') void send(input, options).catch(() => undefined);
    const answer = await send(input, options);
    if (process?.dead) return never();
    return fault === 'answerLost' ? unheard(process!, options?.timeoutMs ?? timeoutMs) : answer;
  };
}

/** Either the broker is known to be away, or nobody knows and the time runs out. */
async function unheard(process: SimulatedProcess, timeoutMs: number): Promise<never> {
  if (process.random.chance(0.5)) throw unavailable('Simulated: the connection to the broker was lost.');
  await pause(timeoutMs);
  throw timedOut(`Simulated: no answer within ${timeoutMs} ms.`);
}

function disturbedCast(send: Send): Send {
  return async (input, options) => {
    const process = currentProcess();
    const fault = process?.draw(['lost', 'repeated', 'delayed'], MESSAGES);
    if (process?.dead) return never();
    // On its way a message is nobody's: it arrives also when its sender is dead.
    const later = () => { const ms = process!.random.below(process!.random.pick(LATE_MS)); process!.spec.world.outsider.run(() => setTimeout(() => { send(input, options).catch(() => undefined); }, ms)); };
    if (fault === 'repeated' || fault === 'delayed') later();
    // A cast that is lost was taken by the broker, as with one that loses what it had not yet on disk.
    if (fault !== 'lost' && fault !== 'delayed') await send(input, options);
    if (process?.dead) return never();
    return undefined;
  };
}

async function serve<C extends Contract>(bus: Bus, contract: C, handlers: Handlers<C>, options?: Parameters<Bus['serve']>[2]): Promise<Served> {
  const process = currentProcess();
  if (!process) return bus.serve(contract, handlers, options);
  const wrapped = Object.fromEntries(Object.entries(handlers).map(([name, handle]: [string, (input: never, meta: MessageMeta) => Promise<unknown>]) =>
    [name, (input: never, meta: MessageMeta) => heard(process, contract.name, () => handle(input, meta))])) as Handlers<C>;
  const served = await bus.serve(contract, wrapped, options);
  const stop = () => { process.spec.world.outsider.run(() => void served.stop()); };
  process.onDeath(stop);
  return served;
}

/** A message in the hands of a process that dies goes back to the broker; a call is refused then (see `answerCall`). */
function heard(process: SimulatedProcess, name: string, handle: () => Promise<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (process.dead) return reject(unavailable(`A server of ${name} was lost before the call.`));
    const forget = process.onDeath(() => reject(unavailable(`A server of ${name} was lost during the call.`)));
    process.run(() => {
      handle().then((answer) => { if (!process.dead) resolve(answer); }, (error: unknown) => { if (!process.dead) reject(error as Error); }).finally(forget);
    });
  });
}
