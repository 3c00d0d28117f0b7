import type { ConsoleVerdict } from '@virga/contracts';

/** What a page is told when its connection ends (WebSocket close codes of our own); it says them in words. */
export const CLOSE = {
  /** Come back at once: the guest is elsewhere, or its console began anew. */
  again: 4100,
  /** Come back in a moment; the reason says what is waited for. */
  wait: 4101,
  invalid: 4401, revoked: 4403, deleted: 4404, idle: 4408, replaced: 4409, ended: 4410,
} as const;

export const CLOSE_OF_VERDICT: Record<ConsoleVerdict, [code: number, reason: string]> = {
  deleted: [CLOSE.deleted, 'deleted'], ended: [CLOSE.ended, 'ended'], replaced: [CLOSE.replaced, 'replaced'], moved: [CLOSE.again, 'moved'], off: [CLOSE.wait, 'off'], unreachable: [CLOSE.wait, 'unreachable'],
};
