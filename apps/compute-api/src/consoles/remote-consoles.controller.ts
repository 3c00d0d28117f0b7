import { Controller, HttpCode, Inject, Param, Post } from '@nestjs/common';
import { Type } from '@sinclair/typebox';
import type { RequestContext } from '@virga/core';
import { Authorize, Caller, ValidBody, type VersionSteps } from '@virga/rest';
import { Served, under } from '../microversions';
import { BUS, DB, SETTINGS, type Bus, type ComputeSettings, type Db } from '../tokens';
import { issueConsoleToken } from './issue-console-token';

const oneOf = (...names: string[]) => Type.Union(names.map((name) => Type.Literal(name)));
const body = (protocols: string[], types: string[]) => Type.Object({
  remote_console: Type.Object({ protocol: oneOf(...protocols), type: oneOf(...types) }, { additionalProperties: false }),
}, { additionalProperties: false });

const PROTOCOLS = ['vnc', 'spice', 'rdp', 'serial'];
const TYPES = ['novnc', 'xvpvnc', 'rdp-html5', 'spice-html5', 'serial'];
const STEPS: VersionSteps<ReturnType<typeof body>> = [['2.6', body(PROTOCOLS, TYPES)], ['2.8', body([...PROTOCOLS, 'mks'], [...TYPES, 'webmks'])]];

@Controller(under('servers/:id/remote-consoles'))
export class RemoteConsolesController {
  private readonly deps;

  constructor(@Inject(DB) db: Db, @Inject(BUS) bus: Bus, @Inject(SETTINGS) settings: ComputeSettings) {
    this.deps = { db, bus, settings };
  }

  @Post()
  @Served(6)
  @HttpCode(200)
  @Authorize('os_compute_api:os-remote-consoles')
  async create(@Param('id') id: string, @Caller() caller: RequestContext, @ValidBody(STEPS) { remote_console: asked }: { remote_console: { protocol: string; type: string } }) {
    return { remote_console: { ...asked, url: await issueConsoleToken(this.deps, caller, id, asked) } };
  }
}
