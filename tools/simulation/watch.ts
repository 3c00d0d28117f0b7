import type { Observer } from './database-turns';
import type { Stage } from './schedule';

const CLAIM = 'update `operations` set `state` = ?, `owner` = ?, `claim_epoch` = `claim_epoch` + ?';
const OWNER = 'SELECT owner, lease_until FROM operations WHERE id = ?';

/** What must hold at each moment and not only in the end, looked at with each statement. */
export const watch = (stage: Stage): Observer => {
  const claims = watchClaims(stage);
  return (query, ask) => {
    runsOnce(stage);
    return claims(query, ask);
  };
};

/** No guest runs on two hosts, not even for a moment. */
function runsOnce({ seen, hosts }: Stage): void {
  const at = new Map<string, string>();
  for (const { id, driver } of hosts) {
    for (const instanceId of driver.running()) {
      const other = at.get(instanceId);
      const sentence = `server ${instanceId} runs on two hosts`;
      if (other !== undefined && !seen.includes(sentence)) seen.push(sentence);
      at.set(instanceId, id);
    }
  }
}

/** Nobody takes an operation over as long as its owner lives and the claim holds by true time. */
const watchClaims = ({ seen, owners, world: { time, turns } }: Stage): Observer => async ({ sql: text, parameters }, ask) => {
  if (!text.startsWith(CLAIM)) return undefined;
  const [row] = (await ask<{ owner: string | null; lease_until: Date | null }>(OWNER, [parameters[4]])).rows;
  const owner = owners.get(row?.owner ?? '');
  if (!owner || owner.dead || row!.owner === parameters[1]) return undefined;
  const heldUntil = row!.lease_until!.getTime() - (turns.localClocks ? owner.skew : 0);
  return (claimed) => { if (claimed > 0 && heldUntil > time.now) seen.push(`an operation was taken over ${Math.round(heldUntil - time.now)} ms before its owner's claim was over`); };
};
