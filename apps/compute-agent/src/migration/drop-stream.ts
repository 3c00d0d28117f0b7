import { runTool } from '../disks/run-tool';
import { incoming, streamsOf } from './streams';

/** Has the kernel close every connection by which memory comes to the instance's machine; returns how many. */
export async function dropIncomingStream(instanceId: string): Promise<number> {
  const streams = incoming(await streamsOf(instanceId));
  for (const { local, remote } of streams) await runTool('ss', ['-Ktn', 'src', local, 'dst', remote]);
  return streams.length;
}
