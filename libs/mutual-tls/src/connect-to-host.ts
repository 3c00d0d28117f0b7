import { request, type RequestOptions } from 'node:https';
import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { PeerCertificate } from 'node:tls';
import type { GatheredReads } from '@virga/core';
import { commonNameOf } from './peer';
import type { TlsIdentity } from './identity';

/** Longest time until the host has answered with the head of its response, ms. */
const ANSWER_TIMEOUT_MS = 30_000;
const MAX_ERROR_BODY = 4096;

/** A host's server as `HostFacts` tells it. */
export interface HostAddress { hostId: string; agentUrl: string }

export interface HostRequest {
  method: string;
  /** With query, e.g. `/v1/disks/ID?offset=0`. */
  path: string;
  headers?: OutgoingHttpHeaders;
  /** Sent as the body; its failure ends the request. */
  body?: Readable;
  signal?: AbortSignal;
  /** Until the head of the response has come. Default 30 s. */
  answerTimeoutMs?: number;
}

/** The host answered, but not with success. */
export class HostAnswerError extends Error {
  constructor(readonly status: number, readonly body: string) {
    super(`the host answered ${status}: ${body.slice(0, 200)}`);
  }
}

/**
 * Connections to one host's server over mutual TLS: both ends show a certificate of Virga's CA, and the host's must name
 * exactly the host that was meant, whatever address it is reached at. Rejects when it cannot be reached, does not prove
 * itself or refuses us.
 */
export class HostConnection {
  constructor(private readonly host: HostAddress, private readonly identity: () => TlsIdentity) {}

  /** Resolves with the response once its head is there (2xx); the caller reads or destroys it. Throws HostAnswerError. */
  async request(wish: HostRequest): Promise<IncomingMessage> {
    const call = this.open(wish);
    const answered = new Promise<IncomingMessage>((resolve, reject) => call.on('response', resolve).on('error', reject));
    const sent = wish.body ? pipeline(wish.body, call) : void call.end();
    // A host that refuses early ends the request before all of its body is sent: its answer says more than the broken pipe.
    const response = await Promise.race([answered, Promise.resolve(sent).then(() => answered, () => answered)]);
    call.setTimeout(0);
    return success(response);
  }

  /**
   * Switches the connection to another protocol (`Upgrade: protocol`): what follows is raw bytes both ways. With `reads` what the
   * host sends goes there, never to the socket's readers; the socket is paused then, until who takes them resumes it.
   */
  async upgrade(wish: HostRequest & { protocol: string; reads?: GatheredReads }): Promise<{ socket: Duplex; headers: IncomingHttpHeaders }> {
    const { reads } = wish;
    const call = this.open({ ...wish, headers: { ...wish.headers, connection: 'Upgrade', upgrade: wish.protocol } }, reads);
    // HTTP's part is read by its client.
    if (reads) call.on('socket', (socket) => reads.divert((bytes) => void socket.push(bytes)));
    return new Promise((resolve, reject) => {
      call.on('error', reject);
      call.on('response', (response) => void success(response).then(() => reject(new Error('the host did not switch the protocol')), reject));
      call.on('upgrade', (response, socket, head) => {
        socket.setTimeout(0);
        if (reads) {
          reads.divert();
          reads.feed(head);
          socket.pause();
        } else if (head.length > 0) socket.unshift(head);
        resolve({ socket, headers: response.headers });
      });
      call.end();
    });
  }

  private open({ method, path, headers, signal, answerTimeoutMs = ANSWER_TIMEOUT_MS }: HostRequest, reads?: GatheredReads): ReturnType<typeof request> {
    const url = new URL(this.host.agentUrl);
    if (url.protocol !== 'https:') throw new Error('a host is reached by https only');
    const options: RequestOptions & { minVersion: 'TLSv1.3'; onread?: GatheredReads['onread'] } = {
      ...this.identity(), host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || 443, method, path, agent: false, minVersion: 'TLSv1.3', rejectUnauthorized: true,
      checkServerIdentity: (_name, certificate) => this.mismatch(certificate), ...(headers && { headers }), ...(signal && { signal }), ...(reads && { onread: reads.onread }),
    };
    const call = request(options);
    call.setTimeout(answerTimeoutMs, () => call.destroy(new Error(`host ${this.host.hostId} did not answer in ${answerTimeoutMs / 1000} s`)));
    return call;
  }

  private mismatch(certificate: PeerCertificate): Error | undefined {
    const wanted = commonNameOf({ role: 'host', hostId: this.host.hostId });
    return certificate.subject?.CN === wanted ? undefined : new Error(`at ${this.host.agentUrl} answers ${String(certificate.subject?.CN)}, not ${wanted}`);
  }
}

async function success(response: IncomingMessage): Promise<IncomingMessage> {
  const status = response.statusCode ?? 0;
  if (status >= 200 && status < 300) return response;
  let body = '';
  try {
    for await (const chunk of response.setEncoding('utf8')) if ((body += String(chunk)).length > MAX_ERROR_BODY) break;
  } catch {
    // The status is what counts.
  }
  response.destroy();
  throw new HostAnswerError(status, body);
}

/** `identity` is read at every connection, e.g. `() => readTlsIdentity(config)`. */
export const connectToHost = (host: HostAddress, identity: () => TlsIdentity): HostConnection => new HostConnection(host, identity);
