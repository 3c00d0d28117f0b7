/** All calls in one table, with the program each belongs to. */
import { blockCalls } from './block';
import type { Call, InOf, OutOf } from './codec';
import { connectCalls } from './connect';
import { domainCalls } from './domain';
import { migrationCalls } from './migration';
import { qemuCalls } from './qemu';
import { storageCalls } from './storage';

/** Program numbers; all are at version 1. */
export const Program = { REMOTE: 0x20008086, QEMU: 0x20008087, KEEPALIVE: 0x6b656570 } as const;
export const PROGRAM_VERSION = 1;

const remoteCalls = { ...connectCalls, ...domainCalls, ...blockCalls, ...migrationCalls, ...storageCalls };
export const calls = { ...remoteCalls, ...qemuCalls };

export type Calls = typeof calls;
export type CallName = keyof Calls;
/** Arguments of a call, by name. 64-bit fields accept `bigint` or a safe `number`; `flags` and nullable fields may be left out. */
export type CallArgs<N extends CallName> = InOf<Calls[N]['args']>;
/** Result of a call, by name. 64-bit fields are `bigint`. */
export type CallResult<N extends CallName> = OutOf<Calls[N]['result']>;
/** Arguments as a server decodes them. */
export type CallArgsOut<N extends CallName> = OutOf<Calls[N]['args']>;
/** Result as a server encodes it. */
export type CallResultIn<N extends CallName> = InOf<Calls[N]['result']>;

const programs = new Map<string, number>([
  ...Object.keys(remoteCalls).map((name) => [name, Program.REMOTE] as const),
  ...Object.keys(qemuCalls).map((name) => [name, Program.QEMU] as const),
]);

/** The program a call belongs to. */
export function programOf(name: CallName): number {
  return programs.get(name)!;
}

/** The table row of a call without its types, for code that handles any call. */
export function rowOf(name: CallName): Call {
  return calls[name] as unknown as Call;
}

const names = new Map<string, CallName>(
  (Object.keys(calls) as CallName[]).map((name) => [`${programOf(name)}/${calls[name].number}`, name]),
);

/** Reverse look-up, for servers. */
export function nameOf(program: number, procedure: number): CallName | undefined {
  return names.get(`${program}/${procedure}`);
}
