import { Body, Controller, Inject, Param, Put } from '@nestjs/common';
import { badRequest, type RequestContext } from '@virga/core';
import { Authenticated, Caller } from '@virga/rest';
import { checkAttribute } from '../api/attributes';
import { COLLECTIONS, type Collections } from '../api/resource.controllers';
import { CollectionVerbs } from '../api/verbs';
import { SUBNET_POOL_ATTRIBUTES } from './subnet-pool.attributes';
import { addPrefixes, removePrefixes } from './subnet-pool.collection';

function readGiven(body: unknown): string[] {
  const prefixes = (body as { prefixes?: unknown } | null)?.prefixes;
  if (prefixes === undefined) throw badRequest("Unable to find 'prefixes' in request body", { type: 'HTTPBadRequest' });
  checkAttribute('prefixes', SUBNET_POOL_ATTRIBUTES.prefixes, prefixes);
  return [prefixes as string | string[]].flat();
}

/** Who may change a pool may change its prefixes; the verbs ask the rules. */
@Controller('v2.0/subnetpools')
@Authenticated()
export class PrefixController {
  constructor(@Inject(COLLECTIONS) private readonly collections: Collections, @Inject(CollectionVerbs) private readonly verbs: CollectionVerbs) {}

  @Put(':id/add_prefixes')
  async add(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown) {
    const given = readGiven(body);
    const { prefixes } = await this.verbs.change(this.collections.subnetpools, caller, id, {}, (trx, row) => addPrefixes(trx, caller, row, given));
    return { prefixes };
  }

  @Put(':id/remove_prefixes')
  async remove(@Caller() caller: RequestContext, @Param('id') id: string, @Body() body: unknown) {
    const given = readGiven(body);
    const { prefixes } = await this.verbs.change(this.collections.subnetpools, caller, id, {}, (trx, row) => removePrefixes(trx, caller, row, given));
    return { prefixes };
  }
}
