import 'reflect-metadata';
import { Catch, Inject, Injectable, type ArgumentsHost, type CanActivate, type ExceptionFilter, type ExecutionContext, type DynamicModule, type Type } from '@nestjs/common';
import { NestFactory, Reflector } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { ACCEPTED, CloudError, badRequest, internalError, newRequestId, unauthorized, withLogFields, type Logger, type RequestContext } from '@virga/core';
import { FAULT_STYLES, type Fault, type ServiceName } from './faults';
import { isAllowed } from './access-rules';
import { formatVersion, negotiateVersion, type MicroversionRange } from './microversion';
import { PUBLIC, RULE, setEdgeStyle } from './decorators';
import { PolicyEnforcer, type Policies } from './policy';
import { answerUnread } from './unread-requests';
import { requestContext, requestState, setRequestState, type RequestState } from './request-state';

export interface HttpEdgeOptions {
  service: ServiceName;
  /** `Keystone uri="..."` of 401 answers. */
  identityUrl: string;
  policies: Policies;
  logger: Logger;
  verifyToken(token: string): Promise<RequestContext>;
  microversions?: MicroversionRange;
  /** Largest JSON body in bytes; larger is 413. Streams of other content types are not bounded here. */
  bodyLimit?: number;
  /** A path that is served without microversion headers and errors (version documents). */
  isUnversioned?(path: string): boolean;
  /** Called after each answer, for metrics. */
  onAnswer?(answer: { method: string; route: string; status: number; seconds: number }): void;
}

export const POLICY = Symbol('virga.policy');

/** Headers by which a proxy would tell identity; ours comes from the token alone, so a client's are dropped. */
const IDENTITY_HEADER = /^x-(user|project|tenant|domain|role|roles|service|identity|is-admin|system|auth-plugin)/;

/** Fails closed: a route without a rule is nobody's. */
@Injectable()
class RuleGuard implements CanActivate {
  constructor(@Inject(Reflector) private readonly reflector: Reflector, @Inject(POLICY) private readonly policy: PolicyEnforcer) {}

  canActivate(context: ExecutionContext): boolean {
    if (context.getType() !== 'http') return true;
    const targets = [context.getHandler(), context.getClass()];
    if (this.reflector.getAllAndOverride<boolean | undefined>(PUBLIC, targets)) return true;
    const caller = requestContext(context.switchToHttp().getRequest<FastifyRequest>());
    const rule = this.reflector.getAllAndOverride<string | null | undefined>(RULE, targets);
    if (rule === undefined) throw internalError(`Route ${context.getClass().name}.${context.getHandler().name} has no policy rule.`);
    if (rule !== null) this.policy.enforce(caller, rule);
    return true;
  }
}

/** Whatever was thrown to an error of ours; the inside of an unexpected one stays inside. */
function toCloudError(error: unknown, style: { malformedBody: string }): CloudError {
  if (error instanceof CloudError) return error;
  const { statusCode, status, code } = error as { statusCode?: number; status?: number; code?: string };
  const http = statusCode ?? status;
  if (http === 404) return new CloudError('routeNotFound', 'The resource could not be found.');
  if (http === 413) return new CloudError('tooLarge', 'Request is too large.');
  if (http === 415) return code?.startsWith('FST_') ? new CloudError('unsupportedMediaType', 'Unsupported Content-Type') : new CloudError('unsupportedMediaType', 'Unsupported Media Type');
  if (http === 400) return badRequest(style.malformedBody, { type: 'HTTPBadRequest' });
  return internalError('The server has either erred or is incapable of performing the requested operation.', { cause: error });
}

function stateOf(request: FastifyRequest): Partial<RequestState> {
  try { return requestState(request); } catch { return {}; }
}

@Catch()
class FaultFilter implements ExceptionFilter {
  constructor(private readonly options: HttpEdgeOptions) {}

  catch(thrown: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(thrown, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(thrown: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const { service, identityUrl, logger } = this.options;
    const style = FAULT_STYLES[service];
    // A request that never came to the hooks (a method or path that the framework cannot read) is told its id all the same.
    if (stateOf(request).requestId === undefined) {
      setRequestState(request, { requestId: newRequestId(), accepted: new Map() });
      reply.header('X-Openstack-Request-Id', requestState(request).requestId);
    }
    const error = this.hideUnknownPath(toCloudError(thrown, style), request);
    if (error.status >= 500) logger.error({ err: error.cause ?? thrown, requestId: stateOf(request).requestId }, 'request failed');
    const fault: Fault = style.render(error);
    if (error.kind === 'unauthorized') reply.header('WWW-Authenticate', `Keystone uri="${identityUrl}"`);
    if (error.kind === 'notAcceptable' && this.options.microversions) versionHeaders(reply, this.options.microversions, (error.details as { asked: string }).asked);
    reply.headers({ ...error.headers, ...fault.headers }).status(error.status).header('content-type', fault.contentType);
    reply.send(typeof fault.body === 'string' ? fault.body : JSON.stringify(fault.body));
  }

  /** Without a token an unknown path is as closed as a known one; identity alone tells. */
  private hideUnknownPath(error: CloudError, request: FastifyRequest): CloudError {
    const hidden = error.kind === 'routeNotFound' && this.options.service !== 'identity' && stateOf(request).context === undefined;
    return hidden ? unauthorized('The request you have made requires authentication.') : error;
  }
}

function versionHeaders(reply: FastifyReply, range: MicroversionRange, value: string): void {
  reply.header('OpenStack-API-Version', `${range.service} ${value}`);
  if (range.legacyHeader) reply.header(range.legacyHeader, value);
  reply.header('Vary', ['OpenStack-API-Version', range.legacyHeader].filter(Boolean).join(', '));
}

const pathOf = (url: string): string => url.split('?', 1)[0]!;
const collapseSlashes = (url: string): string => {
  const at = url.indexOf('?');
  return at < 0 ? url.replace(/\/{2,}/g, '/') : url.slice(0, at).replace(/\/{2,}/g, '/') + url.slice(at);
};

/** Runs before everything else: request id, identity, microversion. */
function addEdgeHooks(fastify: FastifyInstance, options: HttpEdgeOptions, filter: FaultFilter): void {
  const { service, microversions, logger } = options;
  fastify.addHook('onRequest', (request, reply, done) => {
    const state: RequestState = { requestId: newRequestId(), accepted: new Map() };
    setRequestState(request, state);
    reply.header('X-Openstack-Request-Id', state.requestId);
    if (service === 'compute') reply.header('X-Compute-Request-Id', state.requestId);
    if (service === 'identity') reply.header('Vary', 'X-Auth-Token');
    for (const name of Object.keys(request.raw.headers)) if (IDENTITY_HEADER.test(name)) delete request.raw.headers[name];
    const token = request.headers['x-auth-token'];
    const versioned = microversions && !options.isUnversioned?.(pathOf(request.url));
    const enter = async () => {
      if (versioned) {
        state.version = negotiateVersion(microversions, request.headers);
        versionHeaders(reply, microversions, formatVersion(state.version));
      }
      if (typeof token === 'string' && token !== '') {
        try {
          const context = await options.verifyToken(token);
          if (context.accessRules && !isAllowed(context.accessRules, service, request.method, pathOf(request.url))) {
            throw unauthorized('The request you have made requires authentication.');
          }
          state.context = { ...context, requestId: state.requestId };
        } catch (error) {
          // A public route does not care about a bad token; any other answers 401 from its guard.
          if (!(error instanceof CloudError) || error.kind !== 'unauthorized') throw error;
        }
      }
    };
    withLogFields({ requestId: state.requestId, [ACCEPTED]: state.accepted }, () => enter().then(() => done(), (error: Error) => filter.answer(error, request, reply)));
  });
  fastify.addHook('onResponse', (request, reply, done) => {
    const seconds = reply.elapsedTime / 1000;
    const { requestId, accepted } = stateOf(request);
    const work = reply.statusCode < 400 && accepted?.size ? { accepted: [...accepted.values()] } : {};
    logger.info({ requestId, ...work, method: request.method, path: pathOf(request.url), status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request');
    options.onAnswer?.({ method: request.method, route: request.routeOptions.url ?? 'unknown', status: reply.statusCode, seconds });
    done();
  });
}

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/;
const malformed = Object.assign(new Error('a lone surrogate in a text'), { statusCode: 400 });

/** False when a text in it holds half of a surrogate pair, which no database can store; the nesting is bounded by the body's size. */
function isWellFormed(value: unknown): boolean {
  for (const rest = [value]; rest.length > 0;) {
    const item = rest.pop();
    if (typeof item === 'string' && Buffer.from(item, 'utf8').toString('utf8') !== item) return false;
    if (typeof item === 'object' && item !== null) for (const entry of Object.entries(item)) rest.push(...entry);
  }
  return true;
}

/**
 * JSON alone is read. Clients that name JSON on every request send no body with some (PUT of a role, DELETE): that is
 * a request without a body and no broken one.
 */
function readJsonOnly(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parse(request, body as string, (error, value: unknown) => done(error ?? (ESCAPED_SURROGATE.test(body as string) && !isWellFormed(value) ? malformed : null), value));
  });
}

export interface RegisteredRoute { method: string; path: string }
const ROUTES = new WeakMap<NestFastifyApplication, RegisteredRoute[]>();

/** Every route that the app serves, as the router has them; complete once it listens. */
export const routesOf = (app: NestFastifyApplication): readonly RegisteredRoute[] => ROUTES.get(app) ?? [];

/**
 * A Nest application on Fastify that behaves like an OpenStack service: identity from tokens alone, microversions,
 * faults in the service's envelope, request ids, policy before every handler. Call `listen` on the result.
 */
export async function createHttpApp(rootModule: Type | DynamicModule, options: HttpEdgeOptions): Promise<NestFastifyApplication> {
  const style = FAULT_STYLES[options.service];
  setEdgeStyle(style);
  const filter = new FaultFilter(options);
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyLimit ?? 1024 * 1024,
    rewriteUrl: (request: { url?: string }) => collapseSlashes(request.url ?? '/'),
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 8192 },
    // A path that cannot be decoded never reaches the hooks; its answer looks like any other.
    frameworkErrors: (error: Error & { code?: string }, request: FastifyRequest, reply: FastifyReply) => {
      const known = error.code === 'FST_ERR_BAD_URL' ? badRequest('The path of the request cannot be decoded.') : new CloudError('routeNotFound', 'The resource could not be found.');
      filter.answer(known, request, reply);
    },
    clientErrorHandler: (error: { code?: string }, socket: Socket) => answerUnread(style, error, socket),
    forceCloseConnections: 'idle',
    keepAliveTimeout: 75_000,
    requestTimeout: 0,
    logger: false,
  });
  const fastify = adapter.getInstance() as unknown as FastifyInstance;
  const routes: RegisteredRoute[] = [];
  fastify.addHook('onRoute', ({ method, url }) => { for (const one of [method].flat()) if (one !== 'HEAD') routes.push({ method: one, path: url }); });
  addEdgeHooks(fastify, options, filter);
  readJsonOnly(fastify);
  const app = await NestFactory.create<NestFastifyApplication>(rootModule, adapter, { logger: ['error', 'warn'], abortOnError: false, bodyParser: false });
  const enforcer = new PolicyEnforcer(options.policies, style);
  app.useGlobalGuards(new RuleGuard(app.get(Reflector), enforcer));
  app.useGlobalFilters(filter);
  ROUTES.set(app, routes);
  return app;
}
