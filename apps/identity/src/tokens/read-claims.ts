import jwt from 'jsonwebtoken';
import type { TokenClaims } from '@virga/contracts';

/** The claims of a token that has been verified; not a check of any kind. */
export const readClaims = (verifiedToken: string): TokenClaims => jwt.decode(verifiedToken) as unknown as TokenClaims;
