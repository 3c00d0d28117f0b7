import { randomBytes } from 'node:crypto';
import jwt from 'jsonwebtoken';
import type { TokenClaims } from '@virga/contracts';
import { MAX_TOKEN_LENGTH } from '@virga/rest';
import { forbidden } from '@virga/core';
import type { SigningKey } from './signing-keys';

/** Names one token in audit trails: 16 random bytes, base64url. */
export const newAuditId = (): string => randomBytes(16).toString('base64url');

/** The compact JWS of the claims. 403 when so many roles are inside that no service would take it in a header. */
export function signToken(claims: TokenClaims, { kid, key }: SigningKey): string {
  const token = jwt.sign({ ...claims }, key, { algorithm: 'ES256', keyid: kid });
  if (token.length > MAX_TOKEN_LENGTH) throw forbidden('The user has too many roles in this scope for one token.');
  return token;
}
