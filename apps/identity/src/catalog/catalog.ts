import { Inject, Injectable } from '@nestjs/common';
import { sql } from '@virga/db';
import { DATABASE } from '../injection';
import type { Db } from '../db/tables';

export interface CatalogEndpoint { id: string; interface: string; region_id: string | null; url: string; region: string | null }
export interface CatalogEntry { endpoints: CatalogEndpoint[]; id: string; type: string; name: string }

interface CatalogRow { service_id: string; type: string; name: string | null; id: string | null; interface: string; region_id: string | null; url: string }

/** Other copies of identity may have changed it; this bounds how long that goes unseen. */
const FRESH_MS = 2000;
/** `$(project_id)s` and `%(tenant_id)s` in endpoint URLs stand for the caller's project, `user_id` for the caller. */
const PLACEHOLDER = /[$%]\((\w+)\)s/g;

/** Services and endpoints as every token's body shows them. */
@Injectable()
export class Catalog {
  private entries: Promise<CatalogEntry[]> | undefined;
  private readAt = 0;

  constructor(@Inject(DATABASE) private readonly db: Db) {}

  /** Called after services, endpoints or regions have changed. */
  invalidate(): void {
    this.entries = undefined;
  }

  /** Endpoints whose URL needs a project are left out without one. */
  async forCaller({ projectId, userId }: { projectId?: string | undefined; userId: string }): Promise<CatalogEntry[]> {
    const values: Record<string, string | undefined> = { project_id: projectId, tenant_id: projectId, user_id: userId };
    return (await this.read()).map((entry) => ({
      ...entry,
      endpoints: entry.endpoints.flatMap((endpoint) => {
        const url = fill(endpoint.url, values);
        return url === undefined ? [] : [{ ...endpoint, url }];
      }),
    }));
  }

  private read(): Promise<CatalogEntry[]> {
    if (!this.entries || Date.now() - this.readAt > FRESH_MS) {
      this.readAt = Date.now();
      const reading = this.query();
      reading.catch(() => { if (this.entries === reading) this.entries = undefined; });
      this.entries = reading;
    }
    return this.entries;
  }

  private async query(): Promise<CatalogEntry[]> {
    const { rows } = await sql<CatalogRow>`
      select s.id as service_id, s.type, s.name, e.id, e.interface, e.region_id, e.url
      from services s left join endpoints e on e.service_id = s.id and e.enabled = 1
      where s.enabled = 1 order by s.id, e.id`.execute(this.db);
    const byService = new Map<string, CatalogEntry>();
    for (const row of rows) {
      let entry = byService.get(row.service_id);
      if (!entry) byService.set(row.service_id, (entry = { endpoints: [], id: row.service_id, type: row.type, name: row.name ?? '' }));
      if (row.id !== null) entry.endpoints.push({ id: row.id, interface: row.interface, region_id: row.region_id, url: row.url, region: row.region_id });
    }
    return [...byService.values()];
  }
}

function fill(url: string, values: Record<string, string | undefined>): string | undefined {
  let missing = false;
  const filled = url.replace(PLACEHOLDER, (_, name: string) => {
    const value = values[name];
    if (value === undefined) missing = true;
    return value ?? '';
  });
  return missing ? undefined : filled;
}
