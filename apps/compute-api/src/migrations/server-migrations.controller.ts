import { Type } from '@sinclair/typebox';
import { Controller, Delete, Get, HttpCode, Inject, Param, Post, Req } from '@nestjs/common';
import { notFound, type RequestContext } from '@virga/core';
import { Authorize, Caller, ValidBody, Version, type FastifyRequest, type Microversion } from '@virga/rest';
import { Served, under } from '../microversions';
import { getInstance } from '../servers/server.repository';
import { DB, WAKE_RELAY, type Db, type WakeRelay } from '../tokens';
import { findMigration, liveMigrationsInProgress, type Migration } from './migration.repository';
import { abortMigration, forceComplete } from './steer-migration';
import { isInProgress, migrationOfServer } from './migration.view';

const ForceComplete = Type.Object({ force_complete: Type.Null() }, { additionalProperties: false });

/** A server's live migrations while they are in progress. */
@Controller(under('servers/:id/migrations'))
export class ServerMigrationsController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(WAKE_RELAY) private readonly wakeRelay: WakeRelay) {}

  @Get()
  @Served(23)
  @Authorize('os_compute_api:servers:migrations:index')
  async list(@Param('id') id: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Req() request: FastifyRequest) {
    await getInstance(this.db, caller, id);
    return { migrations: (await liveMigrationsInProgress(this.db, id)).map((migration) => migrationOfServer(migration, minor, request)) };
  }

  @Get(':migrationId')
  @Served(23)
  @Authorize('os_compute_api:servers:migrations:show')
  async show(@Param('id') id: string, @Param('migrationId') migrationId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion, @Req() request: FastifyRequest) {
    await getInstance(this.db, caller, id);
    return { migration: migrationOfServer(await this.running(id, migrationId), minor, request) };
  }

  @Post(':migrationId/action')
  @Served(22)
  @HttpCode(202)
  @Authorize('os_compute_api:servers:migrations:force_complete')
  async act(@Param('id') id: string, @Param('migrationId') migrationId: string, @Caller() caller: RequestContext, @ValidBody(ForceComplete) _body: unknown) {
    await forceComplete(this.db, caller, id, migrationId);
  }

  @Delete(':migrationId')
  @Served(24)
  @HttpCode(202)
  @Authorize('os_compute_api:servers:migrations:delete')
  async abort(@Param('id') id: string, @Param('migrationId') migrationId: string, @Caller() caller: RequestContext, @Version() { minor }: Microversion) {
    await abortMigration(this.db, caller, id, migrationId, minor);
    this.wakeRelay();
  }

  private async running(id: string, migrationId: string): Promise<Migration> {
    const migration = /^\d{1,9}$/.test(migrationId) ? await findMigration(this.db, id, Number(migrationId)) : undefined;
    if (!migration) throw notFound(`In-progress live migration ${migrationId} is not found for server ${id}.`);
    if (migration.migration_type !== 'live-migration') throw notFound(`Migration ${migrationId} for server ${id} is not live-migration.`);
    if (!isInProgress(migration)) throw notFound(`Live migration ${migrationId} for server ${id} is not in progress.`);
    return migration;
  }
}
