import { Type, type Static } from '@sinclair/typebox';
import { ApiConfig, BusConfig, CommonConfig, DatabaseConfig, loadConfig } from '@virga/service';

export const ImageConfig = Type.Object({
  ...CommonConfig, ...DatabaseConfig, ...BusConfig, ...ApiConfig,
  VIRGA_LISTEN: Type.String({ default: '127.0.0.1:9292', description: 'Where the image API is served.' }),
  VIRGA_IMAGE_DATA_LISTEN: Type.String({ default: '127.0.0.1:9293', description: 'Where hosts fetch image data by ticket; an address that every host reaches and no tenant does.' }),
  VIRGA_IMAGE_DATA_URL: Type.String({ default: 'http://127.0.0.1:9293', description: 'URL of that listener as the hosts reach it.' }),
  VIRGA_IMAGE_STORE_DIR: Type.String({ description: 'Directory of the image data.' }),
  VIRGA_IMAGE_SIZE_CAP: Type.Integer({ default: 2 ** 40, minimum: 1, description: 'Largest image in bytes that may be uploaded.' }),
  VIRGA_IMAGE_VIRTUAL_SIZE_CAP: Type.Integer({ default: 16 * 2 ** 40, minimum: 1, description: 'Largest virtual disk in bytes that an image may declare.' }),
  VIRGA_IMAGE_PAGE_LIMIT: Type.Integer({ default: 1000, minimum: 1, description: 'Most images in one page of a list.' }),
});
export type ImageConfig = Static<typeof ImageConfig>;

export const readConfig = (): ImageConfig => loadConfig(ImageConfig, process.env);
export const CONFIG = Symbol('image.config');
