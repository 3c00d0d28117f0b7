import { Controller, Get, Param } from '@nestjs/common';
import { notFound } from '@virga/core';
import { Authenticated } from '@virga/rest';
import { EXTENSIONS } from './extensions';

/** What this API can do; anyone with a token may ask. */
@Controller('v2.0/extensions')
@Authenticated()
export class ExtensionController {
  @Get()
  list() {
    return { extensions: EXTENSIONS };
  }

  @Get(':alias')
  show(@Param('alias') alias: string) {
    const extension = EXTENSIONS.find((candidate) => candidate.alias === alias);
    if (!extension) throw notFound(`Extension with alias ${alias.slice(0, 100)} does not exist`, { type: 'HTTPNotFound' });
    return { extension };
  }
}
