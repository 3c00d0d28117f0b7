import type { Server } from 'node:http';
import { drain } from './drain';
import { listenTarget } from './listen-target';
import type { ServiceEnv } from './run-service';

/** As much of a Nest application as is needed here. */
export interface HttpApp {
  listen(target: never): Promise<unknown>;
  getHttpServer(): Server;
}

/** Has an API listen, and drain before anything else of the process is stopped. Call it last. */
export async function openApi(app: HttpApp, listen: string, drainSeconds: number, { onStop, logger }: Pick<ServiceEnv, 'onStop' | 'logger'>): Promise<void> {
  const target = listenTarget(listen);
  // The framework takes a target without a host or path for a port.
  await app.listen(('fd' in target ? { ...target, host: '127.0.0.1' } : target) as never);
  onStop('requests', async () => {
    if (!(await drain(app.getHttpServer(), { limitMs: drainSeconds * 1000 }))) logger.warn('requests were under way longer than this process may wait; they are cut off');
  });
}
