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

/** Fields that every log line of the current request, message or operation carries. */
export interface LogFields { requestId?: string; operationId?: string; instanceId?: string; [field: string]: unknown }

const storage = new AsyncLocalStorage<LogFields>();
export const currentLogFields = (): LogFields => storage.getStore() ?? {};
export const withLogFields = <T>(fields: LogFields, work: () => T): T => storage.run({ ...currentLogFields(), ...fields }, work);
