import { Controller, Inject } from '@nestjs/common';
import { Authenticated } from '@virga/rest';
import { CollectionController } from './collection.controller';
import type { Collection } from './collection';
import { CollectionVerbs } from './verbs';

export const COLLECTIONS = Symbol('virga.network.collections');
/** Resources by the word in their path. */
export type Collections = Record<string, Collection>;

/** The controller of a resource that has no verbs but the common five. */
export function controllerOf(path: string): new (...args: never[]) => CollectionController {
  @Controller(`v2.0/${path}`)
  @Authenticated()
  class ResourceController extends CollectionController {
    constructor(@Inject(COLLECTIONS) collections: Collections, @Inject(CollectionVerbs) verbs: CollectionVerbs) {
      super(collections[path]!, verbs);
    }
  }
  return ResourceController;
}
