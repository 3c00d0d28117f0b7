import { createPool, type Pool, type RowDataPacket } from 'mysql2/promise';
import type { Accepted } from './clients';

export interface Outcome extends Accepted {
  /** How its operation ended; `lost` when there is none, `open` when it has not ended. */
  end: 'done' | 'failed' | 'cancelled' | 'open' | 'lost';
  reason?: string;
}

/** The conductor's own books: what became of each accepted request, straight from the tables. */
export class Books {
  private readonly pool: Pool;

  constructor(url: string) {
    const parsed = new URL(url);
    this.pool = createPool({
      socketPath: parsed.searchParams.get('socketPath') ?? undefined, user: parsed.username, password: decodeURIComponent(parsed.password), database: parsed.pathname.slice(1), connectionLimit: 2,
    });
  }

  async liveOperations(): Promise<number> {
    const [[row]] = await this.pool.query<RowDataPacket[]>("SELECT COUNT(*) AS n FROM operations WHERE state IN ('pending', 'running', 'parked')");
    return Number(row!.n);
  }

  async outcomes(accepted: readonly Accepted[]): Promise<Outcome[]> {
    const [rows] = await this.pool.query<RowDataPacket[]>('SELECT request_id, instance_id, kind, state, error_json FROM operations');
    const byRequest = new Map(rows.map((row) => [`${row.request_id}/${row.instance_id}`, row]));
    const deletions = new Set(rows.filter(({ kind }) => kind === 'delete-instance').map(({ instance_id: id }) => id as string));
    return accepted.map((request) => {
      const row = byRequest.get(`${request.requestId}/${request.serverId}`);
      // A deletion that finds one under way is left to that one.
      if (!row) return { ...request, end: request.kind === 'delete' && deletions.has(request.serverId) ? 'done' : 'lost' };
      const end: Outcome['end'] = ['done', 'failed', 'cancelled'].includes(row.state as string) ? (row.state as Outcome['end']) : 'open';
      const reason = end === 'failed' && row.error_json ? (JSON.parse(row.error_json as string) as { message: string }).message : undefined;
      return { ...request, end, ...(reason !== undefined && { reason }) };
    });
  }

  close(): Promise<void> {
    return this.pool.end();
  }
}
