import { Controller, Get, HttpCode, Inject, Param, Post } from '@nestjs/common';
import type { Static } from '@sinclair/typebox';
import { conflict, notFound, type RequestContext } from '@virga/core';
import { isDuplicateKey } from '@virga/db';
import { Authenticated, Authorize, Caller, ValidBody, type PolicyEnforcer } from '@virga/rest';
import { under } from '../microversions';
import { DB, ENFORCER, type Db } from '../tokens';
import { getFlavor, type Flavor } from './flavor.repository';
import { FlavorAction } from './flavor.schema';

/** Which projects may use a flavor that is not public. */
@Controller(under('flavors/:id'))
export class FlavorAccessController {
  constructor(@Inject(DB) private readonly db: Db, @Inject(ENFORCER) private readonly policy: PolicyEnforcer) {}

  @Get('os-flavor-access')
  @Authorize('os_compute_api:os-flavor-access')
  async list(@Param('id') id: string, @Caller() caller: RequestContext) {
    const flavor = await getFlavor(this.db, id, caller);
    if (flavor.is_public) throw notFound('Access list not available for public flavors.');
    return this.answer(flavor);
  }

  // The two actions have rules of their own.
  @Post('action')
  @HttpCode(200)
  @Authenticated()
  async act(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(FlavorAction) body: Static<typeof FlavorAction>) {
    const adding = 'addTenantAccess' in body;
    this.policy.enforce(caller, `os_compute_api:os-flavor-access:${adding ? 'add' : 'remove'}_tenant_access`);
    const flavor = await getFlavor(this.db, id, caller);
    if (adding) await this.add(flavor, body.addTenantAccess.tenant);
    else await this.remove(flavor, body.removeTenantAccess.tenant);
    return this.answer(flavor);
  }

  private async add(flavor: Flavor, projectId: string): Promise<void> {
    if (flavor.is_public) throw conflict('Can not add access to a public flavor.');
    try {
      await this.db.insertInto('flavor_projects').values({ flavor_id: flavor.id, project_id: projectId }).execute();
    } catch (error) {
      if (isDuplicateKey(error)) throw conflict(`Flavor access already exists for flavor ${flavor.flavorid} and project ${projectId} combination.`);
      throw error;
    }
  }

  private async remove(flavor: Flavor, projectId: string): Promise<void> {
    const { numDeletedRows } = await this.db.deleteFrom('flavor_projects').where('flavor_id', '=', flavor.id).where('project_id', '=', projectId).executeTakeFirst();
    if (numDeletedRows === 0n) throw notFound(`Flavor access not found for ${flavor.flavorid} / ${projectId} combination.`);
  }

  private async answer(flavor: Flavor) {
    const rows = await this.db.selectFrom('flavor_projects').select('project_id').where('flavor_id', '=', flavor.id).orderBy('project_id').execute();
    return { flavor_access: rows.map(({ project_id: projectId }) => ({ flavor_id: flavor.flavorid, tenant_id: projectId })) };
  }
}
