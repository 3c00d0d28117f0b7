import { Controller, Delete, Get, HttpCode, Inject, Param } from '@nestjs/common';
import type { RequestContext } from '@virga/core';
import { Authorize, Caller } from '@virga/rest';
import { under } from '../microversions';
import { DB, type Db } from '../tokens';
import { getInstance } from './server.repository';

/** The encrypted password that a guest may leave with the metadata service. That takes none, so there never is one. */
@Controller(under('servers/:id/os-server-password'))
export class ServerPasswordController {
  constructor(@Inject(DB) private readonly db: Db) {}

  @Get()
  @Authorize('os_compute_api:os-server-password:show')
  async show(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
    return { password: '' };
  }

  @Delete()
  @HttpCode(204)
  @Authorize('os_compute_api:os-server-password:clear')
  async clear(@Param('id') id: string, @Caller() caller: RequestContext) {
    await getInstance(this.db, caller, id);
  }
}
