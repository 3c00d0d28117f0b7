import { TypeCompiler, type TypeCheck } from '@sinclair/typebox/compiler';
import type { TSchema } from '@sinclair/typebox';
import { CloudError, badRequest, errorMessage, internalError, toWireError, type Logger, type WireError, withLogFields } from '@virga/core';
import type { Contract, Handlers, MessageMeta, MethodSpec } from './contract';
import { logFields } from './log-trail';

/** Bytes of a message's body. Larger things travel through the database or by HTTP. */
export const MAX_BODY_BYTES = 1024 * 1024;

export type Reply = { ok: unknown } | { error: WireError };

const compiled = new WeakMap<TSchema, TypeCheck<TSchema>>();

function checkOf(schema: TSchema): TypeCheck<TSchema> {
  let check = compiled.get(schema);
  if (!check) compiled.set(schema, (check = TypeCompiler.Compile(schema)));
  return check;
}

/** The first thing that is wrong, in a sentence; undefined when the value fits. */
export function violation(schema: TSchema, value: unknown): string | undefined {
  const check = checkOf(schema);
  if (check.Check(value)) return undefined;
  const first = check.Errors(value).First();
  return `${first?.path || '/'}: ${first?.message ?? 'does not fit'}`;
}

/** JSON as bytes; throws `tooLarge` over the limit. */
export function encode(value: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(value ?? null));
  if (body.length > MAX_BODY_BYTES) throw new CloudError('tooLarge', `The message has ${body.length} bytes; ${MAX_BODY_BYTES} are allowed.`);
  return body;
}

export function specOf(contract: Contract, method: string): MethodSpec {
  const spec = Object.hasOwn(contract.methods, method) ? contract.methods[method] : undefined;
  if (!spec) throw badRequest(`${contract.name} has no method ${method.slice(0, 64)}.`);
  return spec;
}

/** What the sender checks before it sends: a wrong input is the sender's own mistake. */
export function encodeInput(contract: Contract, method: string, input: unknown): Buffer {
  const wrong = violation(specOf(contract, method).input, input);
  if (wrong) throw internalError(`The input of ${contract.name}.${method} is wrong: ${wrong}`);
  return encode(input);
}

/** What the receiver trusts: a known method of the expected kind, whole JSON, fitting the schema. Throws CloudError else. */
export function decodeInput(contract: Contract, method: string, kind: MethodSpec['kind'], body: Buffer): unknown {
  const spec = specOf(contract, method);
  if (spec.kind !== kind) throw badRequest(`${contract.name}.${method} is not a ${kind}.`);
  const input = decodeJson(body);
  const wrong = violation(spec.input, input);
  if (wrong) throw badRequest(`The input of ${contract.name}.${method} is wrong: ${wrong}`);
  return input;
}

export function decodeJson(body: Buffer): unknown {
  if (body.length > MAX_BODY_BYTES) throw new CloudError('tooLarge', `The message has ${body.length} bytes; ${MAX_BODY_BYTES} are allowed.`);
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    throw badRequest('The message is not JSON.');
  }
}

/** Runs the handler of a call and makes its reply; never throws. A late call is not started. What belongs to a request is logged. */
export async function answerCall(
  contract: Contract, handlers: Handlers<Contract>, method: string, body: Buffer, meta: MessageMeta, logger: Logger,
): Promise<Reply> {
  const began = Date.now();
  const answered = (error?: unknown): void => {
    if (meta.requestId === undefined) return;
    logger.info({ ...logFields(meta), contract: contract.name, method, sender: meta.sender, ms: Date.now() - began, ...(error !== undefined && { reason: errorMessage(error) }) }, 'call answered');
  };
  try {
    if (meta.sender === '') throw new CloudError('forbidden', 'The message does not say who sent it.');
    if (meta.deadline !== undefined && Date.now() >= meta.deadline) throw new CloudError('timeout', 'The caller has given up already.');
    // A server that took this call was lost: whether it did the work is not known here, so the caller decides.
    if (meta.redelivered) throw new CloudError('unavailable', `A server of ${contract.name} was lost during the call.`);
    const input = decodeInput(contract, method, 'call', body);
    const output = await withLogFields(logFields(meta), () => handlers[method]!(input, meta));
    answered();
    return { ok: output };
  } catch (error) {
    answered(error);
    if (!(error instanceof CloudError)) logger.error({ err: error, contract: contract.name, method, sender: meta.sender }, 'call failed unexpectedly');
    return { error: toWireError(error) };
  }
}

/** A reply as bytes; one that is too large becomes an error. */
export function encodeReply(reply: Reply): Buffer {
  try {
    return encode(reply);
  } catch (error) {
    return encode({ error: toWireError(error) });
  }
}
