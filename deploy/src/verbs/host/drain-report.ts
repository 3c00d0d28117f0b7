/** What the conductor answers to POST /drain and /restore. */
export interface DrainReport {
  host: string;
  state: string;
  instances: { id: string; name: string; state: string; where: string | null; message: string | null }[];
}

const pad = (rows: string[][]): string[] => {
  const widths = rows[0]!.map((_cell, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ').trimEnd());
};

/** One line an instance, and one for the host. */
export function renderDrain({ host, state, instances }: DrainReport): string {
  const rows = [['INSTANCE', 'NAME', 'STATE', 'HOST', ''], ...instances.map(({ id, name, state: of, where, message }) => [id, name, of, where ?? '-', message ?? ''])];
  return [...(instances.length > 0 ? pad(rows) : []), `${host} is ${state === 'none' ? 'in service; nobody has drained it' : state}`].join('\n');
}
