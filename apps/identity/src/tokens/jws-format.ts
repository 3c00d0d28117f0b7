import type { SigningKeys } from './signing-keys';
import { signToken } from './sign-token';
import type { TokenFormat, TokenMatter } from './token-format';

/** A compact JWS of the claims, under the current signing key. */
export class JwsFormat implements TokenFormat {
  constructor(private readonly keys: Pick<SigningKeys, 'signing'>) {}

  make({ claims }: TokenMatter): Promise<string> {
    return Promise.resolve(signToken(claims, this.keys.signing));
  }
}
