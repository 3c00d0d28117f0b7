import 'reflect-metadata';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { RequestMethod } from '@nestjs/common';
import type { TSchema } from '@sinclair/typebox';
import { bodySchemaOf, querySchemaOf } from '@virga/rest';

/** One route as the framework would register it. */
export interface HttpRoute {
  app: string;
  method: string;
  /** From the root, e.g. `/v2.0/ports/:id`. */
  path: string;
  controller: string;
  handler: string;
  /** What the body and the query must be, one for each microversion step; empty where the handler reads them itself. */
  body: TSchema[];
  query: TSchema[];
}

/** Apps that serve an OpenStack API. */
export const API_APPS = ['identity', 'compute-api', 'network', 'image', 'scheduler'] as const;

const isTest = (file: string): boolean => /\.(spec|story)\.ts$/.test(file) || file.includes('/testing/');

function sourcesOf(root: string, app: string): string[] {
  const directory = join(root, 'apps', app, 'src');
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts')).map((file) => join(directory, file)).filter((file) => !isTest(file)).sort();
}

/** Source files that define routes, by app. */
export function controllerFiles(root: string): Record<string, string[]> {
  return Object.fromEntries(API_APPS.map((app) => [app, sourcesOf(root, app).filter((file) => /^ *@Controller\(/m.test(readFileSync(file, 'utf8')))]));
}

/** The text in which an app lists its controllers: a class that is not named there serves nothing. */
function registrations(root: string, app: string): string {
  return sourcesOf(root, app).map((file) => readFileSync(file, 'utf8')).filter((text) => /\bcontrollers\b ?[:,]|CONTROLLERS/.test(text)).join('\n');
}

type Class = (new (...args: never[]) => unknown) & { prototype: Record<string, unknown> };
const isController = (value: unknown): value is Class => typeof value === 'function' && Reflect.hasMetadata('__controller__', value);
const paths = (value: unknown): string[] => [value ?? ''].flat() as string[];
const joined = (...parts: string[]): string => `/${parts.join('/')}`.replace(/\/{2,}/g, '/').replace(/(.)\/$/, '$1');

function routesOfClass(app: string, name: string, controller: Class): HttpRoute[] {
  const routes: HttpRoute[] = [];
  const handlers = new Set<string>();
  for (let prototype = controller.prototype as object; prototype !== Object.prototype; prototype = Object.getPrototypeOf(prototype) as object) {
    for (const handler of Object.getOwnPropertyNames(prototype)) if (handler !== 'constructor') handlers.add(handler);
  }
  for (const handler of handlers) {
    const method = controller.prototype[handler];
    if (typeof method !== 'function' || !Reflect.hasMetadata('path', method)) continue;
    const verb = RequestMethod[Reflect.getMetadata('method', method) as number]!;
    for (const base of paths(Reflect.getMetadata('path', controller))) {
      for (const rest of paths(Reflect.getMetadata('path', method))) {
        routes.push({ app, method: verb, path: joined(base, rest), controller: name, handler, body: bodySchemaOf(controller, handler), query: querySchemaOf(controller, handler) });
      }
    }
  }
  return routes;
}

/**
 * The routes of every app. `load` returns the exports of a file of `controllerFiles`.
 * Throws when a controller is defined and in no app's list: such a route would answer nothing.
 */
export function httpRoutes(root: string, load: (file: string) => Record<string, unknown>): HttpRoute[] {
  return Object.entries(controllerFiles(root)).flatMap(([app, files]) => {
    const registered = registrations(root, app);
    return files.flatMap((file) => Object.entries(load(file)).flatMap(([name, value]) => {
      const controllers = (Array.isArray(value) ? value : [value]).filter(isController).filter((one) => Reflect.getMetadata('path', one) !== undefined);
      if (controllers.length === 0 || name.endsWith('Base')) return [];
      if (!new RegExp(`\\b${name}\\b`).test(registered)) throw new Error(`${basename(file)}: ${name} is in no list of controllers`);
      return controllers.flatMap((controller) => routesOfClass(app, name, controller));
    }));
  });
}
