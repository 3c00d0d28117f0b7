import { readFileSync } from 'node:fs';
import { Type, type TProperties } from '@sinclair/typebox';

/** Configuration keys of a process that proves itself to hosts, or as a host. */
export const TlsConfig = {
  VIRGA_TLS_CA_FILE: Type.String({ description: "Certificate of Virga's CA, PEM: whom it has not signed is refused." }),
  VIRGA_TLS_CERT_FILE: Type.String({ description: 'Certificate of this process, PEM, signed by that CA.' }),
  VIRGA_TLS_KEY_FILE: Type.String({ description: 'Private key of that certificate, PEM; a file of mode 0600.' }),
} satisfies TProperties;

export interface TlsFiles { VIRGA_TLS_CA_FILE: string; VIRGA_TLS_CERT_FILE: string; VIRGA_TLS_KEY_FILE: string }

/** What a process proves itself with, and by which it checks others. PEM. */
export interface TlsIdentity { ca: Buffer; cert: Buffer; key: Buffer }

/** Reads the files anew, so that a renewed certificate counts from the next connection on. Throws when one is missing. */
export const readTlsIdentity = (files: TlsFiles): TlsIdentity => ({
  ca: readFileSync(files.VIRGA_TLS_CA_FILE), cert: readFileSync(files.VIRGA_TLS_CERT_FILE), key: readFileSync(files.VIRGA_TLS_KEY_FILE),
});
