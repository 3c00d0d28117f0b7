import { Module, type DynamicModule } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import type { Logger, RequestContext } from '@virga/core';
import { FAULT_STYLES, POLICY, PolicyEnforcer, createHttpApp, type HttpEdgeOptions } from '@virga/rest';
import { CONFIG, type ImageConfig } from './config';
import { DB, type ImageDb } from './db/tables';
import { ImageRepository } from './images/image.repository';
import { imagePolicies } from './images/image.policy';
import { ImagesController } from './images/images.controller';
import { MembersController } from './members/members.controller';
import { MetadefItemsController } from './metadefs/items.controller';
import { MetadefRepository } from './metadefs/metadef.repository';
import { NamespacesController } from './metadefs/namespaces.controller';
import { MetadefSchemasController } from './schemas/metadef-schemas.controller';
import { SchemasController } from './schemas/schemas.controller';
import { FileStore } from './store/file-store';
import { LOGGER } from './tokens';
import { VersionsController } from './versions/versions.controller';

export interface ImageAppParts {
  config: ImageConfig;
  db: ImageDb;
  store: FileStore;
  logger: Logger;
  verifyToken(token: string): Promise<RequestContext>;
  onAnswer?: HttpEdgeOptions['onAnswer'];
}

@Module({})
class ImageModule {
  static with({ config, db, store, logger }: ImageAppParts): DynamicModule {
    return {
      module: ImageModule,
      controllers: [VersionsController, SchemasController, MetadefSchemasController, ImagesController, MembersController, NamespacesController, MetadefItemsController],
      providers: [
        ImageRepository, MetadefRepository,
        { provide: CONFIG, useValue: config }, { provide: DB, useValue: db }, { provide: FileStore, useValue: store }, { provide: LOGGER, useValue: logger },
        { provide: POLICY, useValue: new PolicyEnforcer(imagePolicies, FAULT_STYLES.image) },
      ],
    };
  }
}

/** The image API, not yet listening. */
export async function createImageApp(parts: ImageAppParts): Promise<NestFastifyApplication> {
  const app = await createHttpApp(ImageModule.with(parts), {
    service: 'image', identityUrl: parts.config.VIRGA_PUBLIC_IDENTITY_URL, policies: imagePolicies, logger: parts.logger,
    verifyToken: (token) => parts.verifyToken(token), ...(parts.onAnswer && { onAnswer: parts.onAnswer }),
  });
  const fastify = app.getHttpAdapter().getInstance() as unknown as FastifyInstance;
  // Image data is never buffered: the handler gets the stream.
  fastify.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
  fastify.addContentTypeParser(/^application\/openstack-images-v2\.[01]-json-patch/, { parseAs: 'string' }, fastify.getDefaultJsonParser('error', 'error'));
  return app;
}
