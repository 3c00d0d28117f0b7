/**
 * Memory of the whole control plane while one guest runs, by process (PSS: shared pages counted once). Needs a running
 * cloud with one guest: `node dist/bench/footprint.js STATE_DIR`.
 */
import { Cloud } from '../e2e/cloud';

interface Status {
  controlPlanePssKib: number; supervisorsPssKib: number; otherPssKib: number; guestsPssKib: number;
  parts: { name: string; pssKib: number }[]; guests: unknown[];
}

const MIB = (kib: number) => (kib / 1024).toFixed(1).padStart(8);

async function main(): Promise<void> {
  const cloud = new Cloud(process.argv[2] ?? '/var/lib/virga');
  const status = JSON.parse((await cloud.virga('status', '--json')).stdout) as Status;
  console.log('part                           PSS MiB');
  for (const { name, pssKib } of [...status.parts].sort((a, b) => b.pssKib - a.pssKib)) console.log(`${name.padEnd(28)} ${MIB(pssKib)}`);
  console.log(`${'supervisors'.padEnd(28)} ${MIB(status.supervisorsPssKib)}`);
  console.log(`${'metadata proxies and the like'.padEnd(28)} ${MIB(status.otherPssKib)}`);
  console.log(`${'control plane'.padEnd(28)} ${MIB(status.controlPlanePssKib)}   goal at most 1228.8 (1.2 GiB)`);
  console.log(`${`${status.guests.length} guest(s)`.padEnd(28)} ${MIB(status.guestsPssKib)}`);
}

void main();
