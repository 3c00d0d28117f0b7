import { Controller, Inject } from '@nestjs/common';
import { Authenticated } from '@virga/rest';
import { CollectionController } from './collection.controller';
import type { Collection } from './collection';
import { CollectionVerbs } from './verbs';

/** Resources that have no routes but those of a collection, by the word in their path. */
export const RESOURCE_PATHS = [
  'networks', 'subnets', 'ports', 'routers', 'floatingips', 'security-groups', 'security-group-rules', 'subnetpools', 'address-scopes', 'rbac-policies',
] as const;
export type ResourcePath = (typeof RESOURCE_PATHS)[number];

export const COLLECTIONS = Symbol('virga.network.collections');
export type Collections = Record<ResourcePath, Collection>;

/** The controller of a resource that has no verbs but the common five. */
function controllerOf(path: ResourcePath): new (...args: never[]) => CollectionController {
  @Controller(`v2.0/${path}`)
  @Authenticated()
  class ResourceController extends CollectionController {
    constructor(@Inject(COLLECTIONS) collections: Collections, @Inject(CollectionVerbs) verbs: CollectionVerbs) {
      super(collections[path], verbs);
    }
  }
  return ResourceController;
}

export const RESOURCE_CONTROLLERS = RESOURCE_PATHS.map(controllerOf);
