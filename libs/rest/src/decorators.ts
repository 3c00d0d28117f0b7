import { createParamDecorator, SetMetadata, type ExecutionContext } from '@nestjs/common';
import type { Static, TSchema } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import { badRequest, CloudError } from '@virga/core';
import { requestContext, requestState } from './request-state';
import { pickStep, type VersionSteps } from './microversion';
import { inputFault } from './schema';
import type { FaultStyle } from './faults';

export const RULE = 'virga:rule';
export const PUBLIC = 'virga:public';

/** The policy rule of a route, checked before the handler with the caller's own project as target. */
export const Authorize = (rule: string) => SetMetadata(RULE, rule);
/** A route without a token (version documents). Every other route must have a rule. */
export const Public = () => SetMetadata(PUBLIC, true);
/** A route that needs a valid token but no rule: the handler itself decides. Say why beside it. */
export const Authenticated = () => SetMetadata(RULE, null);

const requestOf = (context: ExecutionContext): FastifyRequest => context.switchToHttp().getRequest<FastifyRequest>();

/** The caller (RequestContext). */
export const Caller = createParamDecorator((_: unknown, context: ExecutionContext) => requestContext(requestOf(context)));
/** The negotiated Microversion. */
export const Version = createParamDecorator((_: unknown, context: ExecutionContext) => requestState(requestOf(context)).version);

/** One schema, or one for each microversion step. */
export type SchemaSteps = TSchema | VersionSteps<TSchema>;
const isSteps = (schema: SchemaSteps): schema is VersionSteps<TSchema> => Array.isArray(schema);
export type BodyOf<S> = S extends TSchema ? Static<S> : S extends VersionSteps<infer T extends TSchema> ? Static<T> : never;

function schemaFor(schema: SchemaSteps, request: FastifyRequest): TSchema {
  if (!isSteps(schema)) return schema;
  const { version } = requestState(request);
  const step = version && pickStep(schema, version);
  if (!step) throw new CloudError('routeNotFound', 'The resource could not be found.');
  return step;
}

/** Throws 400 in the service's words when `value` does not fit. */
export function checkInput(schema: TSchema, value: unknown, style: FaultStyle): void {
  const fault = inputFault(schema, value);
  if (fault) throw badRequest(style.invalidInput(fault), { type: 'InvalidInput' });
}

/** The edge's style of the running app, set once at start; parameter decorators have no injection. */
let edgeStyle: FaultStyle | undefined;
export const setEdgeStyle = (style: FaultStyle): void => { edgeStyle = style; };
const currentStyle = (): FaultStyle => {
  if (!edgeStyle) throw new Error('The HTTP edge has not been set up.');
  return edgeStyle;
};

const SCHEMAS = Symbol('virga.input-schemas');
type InputPart = 'body' | 'query';
/** By handler: what its body and its query must be. */
type InputSchemas = Partial<Record<InputPart, SchemaSteps>>;

/** A parameter decorator that also notes its schema at the handler, for tools that walk the routes. */
const noting = (part: InputPart, decorate: (schema: SchemaSteps) => ParameterDecorator) => (schema: SchemaSteps): ParameterDecorator => (target, handler, index) => {
  decorate(schema)(target, handler, index);
  const known = (Reflect.getOwnMetadata(SCHEMAS, target, handler!) ?? {}) as InputSchemas;
  Reflect.defineMetadata(SCHEMAS, { ...known, [part]: schema }, target, handler!);
};
const notedSchemas = (part: InputPart) => (controller: { prototype: object }, handler: string): TSchema[] => {
  const schema = ((Reflect.getMetadata(SCHEMAS, controller.prototype, handler) ?? {}) as InputSchemas)[part];
  return schema === undefined ? [] : isSteps(schema) ? schema.map(([, step]) => step) : [schema];
};

/** What the body of a handler must be, one schema for each microversion step; empty when it has no `ValidBody`. */
export const bodySchemaOf = notedSchemas('body');
/** The same for its query. */
export const querySchemaOf = notedSchemas('query');

/** The JSON body, checked by the schema of the request's microversion. */
export const ValidBody = noting('body', createParamDecorator((schema: SchemaSteps, context: ExecutionContext) => {
  const request = requestOf(context);
  const style = currentStyle();
  if (request.body === undefined || request.body === null || typeof request.body !== 'object') throw badRequest(style.malformedBody);
  checkInput(schemaFor(schema, request), request.body, style);
  return request.body;
}));

/** The query, checked; values are strings, repeated keys arrays. */
export const ValidQuery = noting('query', createParamDecorator((schema: SchemaSteps, context: ExecutionContext) => {
  const request = requestOf(context);
  checkInput(schemaFor(schema, request), request.query, currentStyle());
  return request.query;
}));
