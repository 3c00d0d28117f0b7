import { Controller, Get, Inject, Req } from '@nestjs/common';
import { Authorize, ValidQuery, Version, type FastifyRequest, type Microversion } from '@virga/rest';
import { under } from '../microversions';
import { DB, SETTINGS, type ComputeSettings, type Db } from '../tokens';
import { listMigrations } from './list-migrations';
import { ListMigrations, type MigrationQuery } from './migration.schema';

/** What was and is moved, over all servers. */
@Controller(under('os-migrations'))
export class MigrationsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(SETTINGS) private readonly settings: ComputeSettings) {}

  @Get()
  @Authorize('os_compute_api:os-migrations:index')
  list(@Version() { minor }: Microversion, @ValidQuery(ListMigrations) query: MigrationQuery, @Req() request: FastifyRequest) {
    return listMigrations(this.db, query, minor, this.settings.maxLimit, request);
  }
}
