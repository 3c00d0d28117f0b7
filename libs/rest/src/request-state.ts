import type { FastifyReply, FastifyRequest } from 'fastify';
import { unauthorized, type AcceptedWork, type RequestContext } from '@virga/core';
import type { Microversion } from './microversion';

/** What the edge knows of a request before a handler runs. */
export interface RequestState {
  requestId: string;
  /** Set when a token was given and holds. */
  context?: RequestContext;
  /** Only in services with microversions. */
  version?: Microversion;
  /** What the handler has set going. */
  accepted: Map<string, AcceptedWork>;
}

const STATE = Symbol('virga.request');
type Carrier = FastifyRequest & { [STATE]?: RequestState };

export function setRequestState(request: FastifyRequest, state: RequestState): void {
  (request as Carrier)[STATE] = state;
}

export function requestState(request: FastifyRequest): RequestState {
  const state = (request as Carrier)[STATE];
  if (!state) throw new Error('The request has not passed the edge.');
  return state;
}

/** The verified identity of the caller; 401 when there is none. */
export function requestContext(request: FastifyRequest): RequestContext {
  const { context } = requestState(request);
  if (!context) throw unauthorized('The request you have made requires authentication.');
  return context;
}

export type { FastifyReply, FastifyRequest };
