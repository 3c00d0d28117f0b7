import { createHash, X509Certificate } from 'node:crypto';
import { request } from 'node:https';
import { connect as connectPlain } from 'node:net';
import { connect, type DetailedPeerCertificate } from 'node:tls';
import { Value } from '@sinclair/typebox/value';
import { commonNameOf } from '@virga/mutual-tls';
import { ENROLMENT_PATH } from './enrolment-server';
import type { JoinToken } from './join-token';
import { EnrolmentAnswer, type EnrolmentRequest } from './messages';

export interface Application extends Pick<EnrolmentRequest, 'name' | 'address' | 'request'> {
  /** https://ADDRESS:PORT */
  controller: string;
  token: JoinToken;
}

const CONNECT_TIMEOUT_MS = 15_000;
/** The controller has its broker's tool at work meanwhile. */
const ANSWER_TIMEOUT_MS = 120_000;
const MOST_ANSWER_BYTES = 65_536;

/**
 * Asks the controller to let this machine in. The token goes only to one that the CA of the token's fingerprint vouches for as the place
 * where machines join. Throws one sentence for an operator when it is refused or nobody proves himself.
 */
export async function enrol(application: Application): Promise<EnrolmentAnswer> {
  const ca = await authorityOf(application);
  const { status, body } = await post(application, ca);
  if (status !== 200) throw new Error(`the controller refuses (${status}): ${errorOf(body)}`);
  const answer: unknown = JSON.parse(body);
  if (!Value.Check(EnrolmentAnswer, answer) || answer.name !== application.name || answer.address !== application.address) throw new Error('the controller answers what this version does not understand; both must run the same version');
  return answer;
}

/** The CA's certificate as the controller shows it, when it is the one of the token. Nothing is said to the controller yet. */
function authorityOf({ controller, token, address }: Application): Promise<string> {
  const { hostname: host, port } = new URL(controller);
  return new Promise((resolve, reject) => {
    // Whom to trust is what is to be found out here: what is shown is only compared with the fingerprint.
    const plain = connectPlain({ host, port: Number(port), localAddress: address });
    const socket = connect({ socket: plain, rejectUnauthorized: false, minVersion: 'TLSv1.3' });
    socket.setTimeout(CONNECT_TIMEOUT_MS);
    socket.on('secureConnect', () => {
      const found = chainOf(socket.getPeerCertificate(true)).find((raw) => createHash('sha256').update(raw).digest('base64url') === token.fingerprint);
      socket.destroy();
      if (found) resolve(new X509Certificate(found).toString());
      else reject(new Error(`who answers at ${controller} is not of the cloud that gave the token; nothing was told to it`));
    });
    socket.on('timeout', () => socket.destroy(new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)));
    socket.on('error', (error) => reject(new Error(`the controller at ${controller} cannot be reached: ${error.message}`)));
  });
}

function chainOf(certificate: DetailedPeerCertificate): Buffer[] {
  const chain: Buffer[] = [];
  // The last names itself as its issuer.
  for (let at: DetailedPeerCertificate | undefined = certificate; at?.raw && !chain.some((raw) => raw.equals(at!.raw)); at = at.issuerCertificate) chain.push(at.raw);
  return chain;
}

function post({ controller, token: { id, secret }, name, address, request: csr }: Application, ca: string): Promise<{ status: number; body: string }> {
  const { hostname: host, port } = new URL(controller);
  const wanted = commonNameOf({ role: 'enrolment' });
  return new Promise((resolve, reject) => {
    const call = request({
      host, port, method: 'POST', path: ENROLMENT_PATH, localAddress: address, ca, minVersion: 'TLSv1.3', agent: false, timeout: ANSWER_TIMEOUT_MS, headers: { 'content-type': 'application/json' },
      checkServerIdentity: (_name, { subject }) => (subject?.CN === wanted ? undefined : new Error(`it proves to be ${String(subject?.CN)} and not where machines join`)),
    }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => { if ((body += chunk).length > MOST_ANSWER_BYTES) call.destroy(new Error('its answer has no end')); })
        .on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)));
    call.on('error', (error) => reject(new Error(`the controller at ${controller} cannot be used: ${error.message}`)));
    call.end(JSON.stringify({ token: { id, secret }, name, address, request: csr } satisfies EnrolmentRequest));
  });
}

function errorOf(body: string): string {
  try {
    return String((JSON.parse(body) as { error?: unknown }).error);
  } catch {
    return body.slice(0, 200);
  }
}
