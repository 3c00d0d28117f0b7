import type { TokenClaims } from '@virga/contracts';
import type { UsedCredential } from '../auth/application-credential-login';

/** What a token is made of. */
export interface TokenMatter { claims: TokenClaims; credential?: UsedCredential }

/** How claims become a token. Tokens of every format are verified, whichever is made now. */
export interface TokenFormat { make(matter: TokenMatter): Promise<string> }
export const TOKEN_FORMATS = ['jws', 'pki'] as const;
export type TokenFormatName = (typeof TOKEN_FORMATS)[number];
