import { Body, Controller, Inject, Param, Put } from '@nestjs/common';
import type { RequestContext } from '@virga/core';
import { Authenticated, Caller } from '@virga/rest';
import { COLLECTIONS, type Collections } from '../api/resource.controllers';
import { CollectionVerbs } from '../api/verbs';
import { unwrapBody } from '../api/attributes';
import type { View } from '../api/collection';
import { addRoutes, removeRoutes } from './router-routes';
import { addInterface, removeInterface } from './router-interfaces';

/** Who may change a router may attach subnets to it; the verbs ask the rules. */
@Controller('v2.0/routers')
@Authenticated()
export class RouterInterfaceController {
  constructor(@Inject(COLLECTIONS) private readonly collections: Collections, @Inject(CollectionVerbs) private readonly verbs: CollectionVerbs) {}

  @Put(':id/add_router_interface')
  add(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown) {
    return this.verbs.act(this.collections.routers, caller, id, 'add_router_interface', (trx, row) => addInterface(trx, caller, row, body));
  }

  @Put(':id/remove_router_interface')
  remove(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown) {
    return this.verbs.act(this.collections.routers, caller, id, 'remove_router_interface', (trx, row) => removeInterface(trx, row, body));
  }

  /** Adds routes to those that are there; adding one again changes nothing. */
  @Put(':id/add_extraroutes')
  async addRoutes(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown): Promise<View> {
    const { routes } = unwrapBody(body, 'router');
    return { router: await this.verbs.change(this.collections.routers, caller, id, {}, (trx, row) => addRoutes(trx, row, routes)) };
  }

  @Put(':id/remove_extraroutes')
  async removeRoutes(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown): Promise<View> {
    const { routes } = unwrapBody(body, 'router');
    return { router: await this.verbs.change(this.collections.routers, caller, id, {}, (trx, row) => removeRoutes(trx, row, routes)) };
  }
}
