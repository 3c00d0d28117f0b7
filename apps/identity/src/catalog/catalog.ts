import { Inject, Injectable } from '@nestjs/common';
import { sql } from '@virga/db';
import { DATABASE } from '../injection';
import type { Db } from '../db/tables';
import { matchesFilters, type EndpointFilters } from '../endpoint-filter/endpoint-group';

export interface CatalogEndpoint { id: string; interface: string; region_id: string | null; url: string; region: string | null }
export interface CatalogEntry { endpoints: CatalogEndpoint[]; id: string; type: string; name: string }

/** `shown`: endpoint ids by project, for projects that see some endpoints only. */
interface Contents { entries: CatalogEntry[]; shown: Map<string, Set<string>> }
interface CatalogRow { service_id: string; type: string; name: string | null; id: string | null; interface: string; region_id: string | null; url: string }

/** Other copies of identity may have changed it; this bounds how long that goes unseen. */
const FRESH_MS = 2000;
/** `$(project_id)s` and `%(tenant_id)s` in endpoint URLs stand for the caller's project, `user_id` for the caller. */
const PLACEHOLDER = /[$%]\((\w+)\)s/g;

/** Services and endpoints as every token's body shows them. */
@Injectable()
export class Catalog {
  private entries: Promise<Contents> | undefined;
  private readAt = 0;

  constructor(@Inject(DATABASE) private readonly db: Db) {}

  /** Called after services, endpoints or regions have changed. */
  invalidate(): void {
    this.entries = undefined;
  }

  /** Endpoints whose URL needs a project are left out without one. */
  async forCaller({ projectId, userId }: { projectId?: string | undefined; userId: string }): Promise<CatalogEntry[]> {
    const values: Record<string, string | undefined> = { project_id: projectId, tenant_id: projectId, user_id: userId };
    const { entries, shown } = await this.read();
    const own = projectId === undefined ? undefined : shown.get(projectId);
    const all = entries.map((entry) => ({
      ...entry,
      endpoints: entry.endpoints.flatMap((endpoint) => {
        if (own && !own.has(endpoint.id)) return [];
        const url = fill(endpoint.url, values);
        return url === undefined ? [] : [{ ...endpoint, url }];
      }),
    }));
    return own ? all.filter(({ endpoints }) => endpoints.length > 0) : all;
  }

  private read(): Promise<Contents> {
    if (!this.entries || Date.now() - this.readAt > FRESH_MS) {
      this.readAt = Date.now();
      const reading = this.query();
      reading.catch(() => { if (this.entries === reading) this.entries = undefined; });
      this.entries = reading;
    }
    return this.entries;
  }

  private async query(): Promise<Contents> {
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
    return { entries: [...byService.values()], shown: await this.filters(rows) };
  }

  /** The endpoints of each project that has some of its own. */
  private async filters(rows: CatalogRow[]): Promise<Contents['shown']> {
    const [direct, grouped] = await Promise.all([
      this.db.selectFrom('project_endpoints').selectAll().execute(),
      this.db.selectFrom('project_endpoint_groups as p').innerJoin('endpoint_groups as g', 'g.id', 'p.endpoint_group_id').select(['p.project_id', 'g.filters']).execute(),
    ]);
    const shown: Contents['shown'] = new Map();
    const of = (projectId: string): Set<string> => shown.get(projectId) ?? shown.set(projectId, new Set()).get(projectId)!;
    for (const { project_id: projectId, endpoint_id: id } of direct) of(projectId).add(id);
    for (const { project_id: projectId, filters } of grouped) {
      const own = of(projectId);
      for (const row of rows) if (row.id !== null && matchesFilters(JSON.parse(filters) as EndpointFilters, row)) own.add(row.id);
    }
    return shown;
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
