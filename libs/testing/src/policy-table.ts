import { readFileSync, writeFileSync } from 'node:fs';

/** Outcomes of a walk by route. */
type Rows = Record<string, string>;

const rowsOf = (lines: readonly string[]): Rows => Object.fromEntries(lines.map((line) => { const [method, path, ...columns] = line.split('\t'); return [`${method} ${path}`, columns.join(' ')]; }));

/**
 * The table of a service, read and agreed on, and what it does (see `walkPolicies`), to be compared. With POLICY_TABLE_WRITE=1 in the
 * environment the table is written first, for review.
 */
export function policyTable(file: string, walked: readonly string[]): { agreed: Rows; served: Rows } {
  if (process.env.POLICY_TABLE_WRITE) writeFileSync(file, `${walked.join('\n')}\n`);
  return { agreed: rowsOf(readFileSync(file, 'utf8').trim().split('\n')), served: rowsOf(walked) };
}

export interface WalkedCell { route: string; method: string; path: string; /** The outcome of a persona; throws for one that has not walked. */ as: (persona: string) => string }

/** A walk's lines with the outcome of each persona by its name. */
export function cellsOf(walked: readonly string[]): WalkedCell[] {
  const [, , ...personas] = walked[0]!.split('\t');
  return walked.slice(1).map((line) => {
    const [method = '', path = '', ...columns] = line.split('\t');
    return { route: `${method} ${path}`, method, path, as: (persona) => { const at = personas.indexOf(persona); if (at < 0) throw new Error(`nobody walked as ${persona}`); return columns[at]!; } };
  });
}

/** Where a manager can do less than a member, or a member less than a reader. */
export const upsideDown = (walked: readonly string[]): WalkedCell[] =>
  cellsOf(walked).filter(({ as }) => (as('member') === 'pass' && as('manager') !== 'pass') || (as('reader') === 'pass' && as('member') !== 'pass'));

/** What may be changed by somebody who is only to read. */
export const changedBy = (walked: readonly string[], ...readers: readonly string[]): WalkedCell[] =>
  cellsOf(walked).filter(({ method, as }) => method !== 'GET' && readers.some((name) => as(name) === 'pass'));

/** What does not turn a persona away for want of a token. */
export const openTo = (walked: readonly string[], persona: string): WalkedCell[] => cellsOf(walked).filter(({ as }) => as(persona) !== '401');
