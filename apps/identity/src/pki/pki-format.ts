import { forbidden } from '@virga/core';
import { cmsToToken, MAX_TOKEN_LENGTH } from '@virga/rest';
import { tokenView } from '../auth/token-view';
import type { Catalog } from '../catalog/catalog';
import type { TokenFormat, TokenMatter } from '../tokens/token-format';
import type { PkiKeys } from './pki-keys';
import { signCms } from './sign-cms';

/**
 * OpenStack's classic format: the token's own document, signed, so that whoever has the certificate can read it without asking.
 * Beside it stand the claims by which this cloud's services judge. The catalog is left out where the token would not fit into a header.
 */
export class PkiFormat implements TokenFormat {
  constructor(private readonly keys: Pick<PkiKeys, 'signing'>, private readonly catalog: Pick<Catalog, 'forCaller'>) {}

  async make({ claims, credential }: TokenMatter): Promise<string> {
    const catalog = await this.catalog.forCaller({ projectId: claims.project?.id, userId: claims.sub });
    for (const told of [catalog, undefined]) {
      const document = { ...(tokenView(claims, told, credential) as object), claims };
      const token = cmsToToken(signCms(Buffer.from(JSON.stringify(document)), this.keys.signing));
      if (token.length <= MAX_TOKEN_LENGTH) return token;
    }
    throw forbidden('The user has too many roles in this scope for one token.');
  }
}
