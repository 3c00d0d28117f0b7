import { request } from 'node:http';

export interface HttpAnswer {
  status: number;
  body: string;
}

/** GET over a unix socket. Rejects when nobody answers within `timeoutMs`. */
export function getOverSocket(socketPath: string, path: string, timeoutMs = 3_000): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    // A kept connection would lead to the process of before.
    const call = request({ socketPath, path, timeout: timeoutMs, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end();
  });
}

/** POST with a JSON body over a unix socket. */
export function postOverSocket(socketPath: string, path: string, body: unknown, timeoutMs: number): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, path, method: 'POST', timeout: timeoutMs, agent: false, headers: { 'content-type': 'application/json' } }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk)).on('end', () => resolve({ status: response.statusCode ?? 0, body: text }));
    });
    call.on('timeout', () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end(JSON.stringify(body));
  });
}

/** Health of an app by its admin listener: GET /readyz. With a PID the answer must be that process's own. */
export async function appHealth(socketPath: string, pid?: number): Promise<string | undefined> {
  try {
    const { status, body } = await getOverSocket(socketPath, '/readyz');
    if (status !== 200) return `not ready (${status}): ${body.slice(0, 300)}`;
    const { pid: answered } = JSON.parse(body) as { pid?: number };
    return pid === undefined || answered === pid ? undefined : `process ${answered} answers, not yet ${pid}`;
  } catch (error) {
    return `its admin socket does not answer: ${(error as Error).message}`;
  }
}
