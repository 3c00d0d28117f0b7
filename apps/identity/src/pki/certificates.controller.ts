import { Controller, Get, Header, Inject } from '@nestjs/common';
import { notFound } from '@virga/core';
import { Public } from '@virga/rest';
import { PkiKeys } from './pki-keys';

/** Certificates for those who verify classic tokens themselves; absent while that format has never been used. */
@Controller()
export class CertificatesController {
  constructor(@Inject(PkiKeys) private readonly keys: PkiKeys) {}

  @Get(['v2.0/certificates/signing', 'v3/OS-SIMPLE-CERT/certificates']) @Public() @Header('Content-Type', 'application/x-pem-file')
  signing(): string {
    return this.existing().signingCertificates;
  }

  @Get(['v2.0/certificates/ca', 'v3/OS-SIMPLE-CERT/ca']) @Public() @Header('Content-Type', 'application/x-pem-file')
  authority(): string {
    return this.existing().authorityCertificate;
  }

  private existing(): PkiKeys {
    if (!this.keys.exist) throw notFound('The cloud has no certificates for tokens.');
    return this.keys;
  }
}
