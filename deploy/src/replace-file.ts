import { renameSync, writeFileSync } from 'node:fs';

/** Writes a file aside and puts it in its place: an interrupted run leaves no half of it. */
export function replaceFile(path: string, text: string, mode: number): void {
  writeFileSync(`${path}.new`, text, { mode });
  renameSync(`${path}.new`, path);
}
