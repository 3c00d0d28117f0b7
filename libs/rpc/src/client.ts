import { CloudError, fromWireError, internalError, timedOut, type WireError } from '@virga/core';
import type { Target } from './bus';
import type { CallSpec, Client, Contract, MethodSpec, SendOptions } from './contract';
import { speaksFor } from './topology';
import { decodeJson, encodeInput, violation } from './wire';

/** What a transport does for a client. */
export interface Sender {
  /** Resolves to the body of the reply; rejects with CloudError. */
  call(contract: Contract, method: string, body: Buffer, timeoutMs: number, target: Target): Promise<Buffer>;
  /** Resolves when the message is kept. */
  cast(contract: Contract, method: string, body: Buffer, messageId: string | undefined, target: Target): Promise<void>;
}

/** The typed client of a contract: checks inputs before they are sent and outputs before they are believed. */
export function makeClient<C extends Contract>(contract: C, sender: Sender, target: Target = {}): Client<C> {
  const methods = Object.entries(contract.methods).map(([method, spec]) => [
    method,
    async (input: unknown, options: SendOptions = {}): Promise<unknown> => {
      const body = encodeInput(contract, method, input);
      if (spec.kind === 'cast') return sender.cast(contract, method, body, options.messageId, target);
      return openReply(contract, method, spec, await sender.call(contract, method, body, options.timeoutMs ?? spec.timeoutMs, target));
    },
  ] satisfies [string, (input: unknown, options?: SendOptions) => Promise<unknown>]);
  return Object.fromEntries(methods) as Client<C>;
}

function openReply(contract: Contract, method: string, spec: MethodSpec & CallSpec, body: Buffer): unknown {
  const reply = decodeJson(body) as { ok?: unknown; error?: WireError } | null;
  if (reply?.error) throw fromWireError(reply.error);
  const wrong = violation(spec.output, reply?.ok);
  if (wrong) throw internalError(`The answer of ${contract.name}.${method} is wrong: ${wrong}`);
  return reply!.ok;
}

interface Pending {
  resolve: (body: Buffer) => void;
  reject: (error: CloudError) => void;
  timer: NodeJS.Timeout;
  /** `agent-<host id>` of the host that may answer; undefined: any service. */
  from: string | undefined;
}

/** Calls that wait for their answer, by correlation id. */
export class PendingCalls {
  private readonly pending = new Map<string, Pending>();

  wait(id: string, what: string, timeoutMs: number, from?: string): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(id, timedOut(`${what} did not answer within ${timeoutMs} ms.`)), timeoutMs);
      this.pending.set(id, { resolve, reject, timer, from });
    });
  }

  /** An unknown id is a reply that came too late; a wrong sender is a forgery. Both are dropped (false). */
  answer(id: string, body: Buffer, sender?: string): boolean {
    const call = this.pending.get(id);
    if (!call || (call.from !== undefined && !speaksFor(sender ?? '', call.from.slice('agent-'.length)))) return false;
    this.settle(id)!.resolve(body);
    return true;
  }

  fail(id: string, error: CloudError): void {
    this.settle(id)?.reject(error);
  }

  failAll(error: CloudError): void {
    for (const id of [...this.pending.keys()]) this.fail(id, error);
  }

  private settle(id: string): Pending | undefined {
    const call = this.pending.get(id);
    if (call) clearTimeout(call.timer);
    this.pending.delete(id);
    return call;
  }
}
