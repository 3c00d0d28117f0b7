import { AsyncLocalStorage } from 'node:async_hooks';

export interface NamedRef { id: string; name: string }
export interface ScopedRef extends NamedRef { domain: NamedRef }

/** Who asks, in which scope, in which request. Made by the REST edge from a verified token, and by nothing else. */
export interface RequestContext {
  requestId: string;
  user: ScopedRef;
  /** Set for a project-scoped token. */
  project?: ScopedRef | undefined;
  /** Set for a domain-scoped token. */
  domain?: NamedRef | undefined;
  /** True for a system-scoped token. */
  system: boolean;
  roles: NamedRef[];
  /** Set of role names with what they imply already added (admin > manager > member > reader). */
  roleNames: ReadonlySet<string>;
  /** Login methods that the token descends from. */
  methods?: readonly string[];
  /** Set for a token of a trust. */
  trust?: { id: string; impersonation: boolean; trustor: string; trustee: string } | undefined;
  /** Set when only requests that match one of these are allowed; the edge sees to it. */
  accessRules?: readonly { service: string; method: string; path: string }[] | undefined;
  /** The first audit id names this token, the second (if any) the login that it came from. */
  auditIds: string[];
  /** Milliseconds since the epoch. */
  issuedAt: number;
  /** Milliseconds since the epoch. */
  expiresAt: number;
  /** The bearer token, for calls to another service in the user's name; never logged. */
  token: string;
}

/** What of a context may cross the bus: no token. */
export interface ActorRef {
  requestId: string;
  userId: string;
  projectId: string | null;
  roles: string[];
}

export const actorOf = (context: RequestContext): ActorRef => ({
  requestId: context.requestId,
  userId: context.user.id,
  projectId: context.project?.id ?? null,
  roles: [...context.roleNames],
});

/** Beside log fields, where it is kept out of the lines themselves. */
export const ACCEPTED = Symbol('virga.accepted');
/** Work that a request has set going; the line that is logged for the request names it. */
export interface AcceptedWork { kind: string; operationId: string; instanceId: string }

/** Fields that every log line of the current request, message or operation carries. */
export interface LogFields { requestId?: string; operationId?: string; instanceId?: string; [ACCEPTED]?: Map<string, AcceptedWork>; [field: string]: unknown }

const storage = new AsyncLocalStorage<LogFields>();
export const currentLogFields = (): LogFields => storage.getStore() ?? {};
export const withLogFields = <T>(fields: LogFields, work: () => T): T => storage.run({ ...currentLogFields(), ...fields }, work);
/** A transaction that was run again names the same work again, with the id that holds. */
export const noteAccepted = (work: AcceptedWork): void => void currentLogFields()[ACCEPTED]?.set(`${work.kind}/${work.instanceId}`, work);
