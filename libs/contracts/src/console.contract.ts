import { Type, type Static } from '@sinclair/typebox';
import { call, defineContract } from '@virga/rpc';

/** What a guest can be seen through. */
export const CONSOLE_PROTOCOLS = ['vnc', 'spice', 'serial'] as const;
export type ConsoleProtocol = (typeof CONSOLE_PROTOCOLS)[number];
export const ConsoleProtocolName = Type.Union(CONSOLE_PROTOCOLS.map((protocol) => Type.Literal(protocol)));

/** SHA-256 of a secret in hexadecimal digits. Secrets themselves never lie in a queue. */
const Hash = Type.String({ pattern: '^[0-9a-f]{64}$' });
const Id = Type.String({ minLength: 1, maxLength: 64 });

/** By what the token of the console's user would be revoked. */
export const ConsoleHolder = Type.Object({
  userId: Type.String(),
  userDomainId: Type.String(),
  projectId: Type.Union([Type.String(), Type.Null()]),
  projectDomainId: Type.Union([Type.String(), Type.Null()]),
  auditIds: Type.Array(Type.String()),
  /** Milliseconds since the epoch. */
  issuedAt: Type.Number(),
});
export type ConsoleHolder = Static<typeof ConsoleHolder>;

export const ConsoleSession = Type.Object({
  sessionId: Type.String(),
  protocol: ConsoleProtocolName,
  instanceId: Type.String(),
  instanceName: Type.String(),
  holder: ConsoleHolder,
  /** Milliseconds since the epoch; nothing prolongs a session. */
  endsAt: Type.Number(),
});
export type ConsoleSession = Static<typeof ConsoleSession>;

/** Where the console is now, or why it is nowhere at the moment. */
export const ConsoleRoute = Type.Union([
  /** The host has been told of the grant; it holds for a few seconds and one connection. */
  Type.Object({ state: Type.Literal('ready'), hostId: Type.String(), agentUrl: Type.String() }),
  Type.Object({ state: Type.Union([Type.Literal('off'), Type.Literal('moving'), Type.Literal('unreachable'), Type.Literal('absent')]) }),
]);
export type ConsoleRoute = Static<typeof ConsoleRoute>;

/** Why a connection must end: `moved` and `replaced` are about this connection, the others about the session. */
export const ConsoleVerdict = Type.Union([Type.Literal('deleted'), Type.Literal('off'), Type.Literal('moved'), Type.Literal('unreachable'), Type.Literal('replaced'), Type.Literal('ended')]);
export type ConsoleVerdict = Static<typeof ConsoleVerdict>;

/**
 * Served by the conductor for console proxies. A token opens one session; whoever opened it may come back by the secret
 * of its page (`pageHash`) while the session lasts.
 */
export const consoleContract = defineContract('console', {
  /**
   * `attemptId`: the page's present connection, which may consist of several channels; a new attempt ends the one before.
   * Without a token the session of the page is continued. notFound (one word for all) when there is no such token or
   * session, or no longer; of the type ServerDeleted for a page that has a session and comes back.
   */
  open: call(
    Type.Object({ tokenHash: Type.Optional(Hash), pageHash: Type.Optional(Hash), grantHash: Hash, attemptId: Id }),
    Type.Object({ session: ConsoleSession, route: ConsoleRoute }),
  ),
  /** Asked once a second for all connections of a proxy: those that must end, and why. It also says that the others are still open. */
  watch: call(
    Type.Object({ connections: Type.Array(Type.Object({ sessionId: Id, attemptId: Id, hostId: Id }), { maxItems: 1000 }) }),
    Type.Object({ ended: Type.Array(Type.Object({ sessionId: Type.String(), attemptId: Type.String(), verdict: ConsoleVerdict })) }),
  ),
});

/** The connection between proxy and host: `GET /v1/consoles/<instance id>/<protocol>` with this upgrade. */
export const CONSOLE_UPGRADE = 'virga-console';
/** Header with the secret that the grant is the hash of. */
export const CONSOLE_GRANT_HEADER = 'x-virga-console-grant';
