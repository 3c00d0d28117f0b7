import jwt from 'jsonwebtoken';
import type { TokenClaims } from '@virga/contracts';
import { claimsOfCms, isCmsToken, readCmsToken } from '@virga/rest';

/** The claims of a token that has been verified; not a check of any kind. */
export const readClaims = (verifiedToken: string): TokenClaims =>
  (isCmsToken(verifiedToken) ? claimsOfCms(readCmsToken(verifiedToken)!) : jwt.decode(verifiedToken) as unknown as TokenClaims);
