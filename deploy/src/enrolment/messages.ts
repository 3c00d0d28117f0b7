import { Type, type Static } from '@sinclair/typebox';

/** A label of DNS, so that it is good as a host's name in the API, in certificates and as a chassis. */
export const HOST_NAME = /^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$/;

/** POST /v1/hosts. */
export const EnrolmentRequest = Type.Object({
  token: Type.Object({ id: Type.String({ maxLength: 64 }), secret: Type.String({ maxLength: 64 }) }, { additionalProperties: false }),
  name: Type.String({ pattern: HOST_NAME.source }),
  /** Where other machines reach this one; the request must come from there. */
  address: Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}$' }),
  /** Certificate request in PEM. */
  request: Type.String({ maxLength: 4096 }),
}, { additionalProperties: false });
export type EnrolmentRequest = Static<typeof EnrolmentRequest>;

const Pem = Type.String({ pattern: '^-----BEGIN CERTIFICATE-----', maxLength: 8192 });

/** The answer: all that a machine needs to be a host of the cloud. */
export const EnrolmentAnswer = Type.Object({
  hostId: Type.String({ pattern: '^[0-9a-f-]{36}$' }),
  name: Type.String({ pattern: HOST_NAME.source }),
  address: Type.String(),
  tunnelAddress: Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}$' }),
  ca: Pem,
  certificate: Pem,
  southboundCa: Pem,
  chassisCertificate: Pem,
  brokerPassword: Type.String({ pattern: '^[A-Za-z0-9_-]{32,64}$' }),
  cloud: Type.Object({
    name: Type.String({ pattern: '^[a-z][a-z0-9]{0,5}$' }), portOffset: Type.Integer({ minimum: 0, maximum: 20_000 }), managementCidr: Type.String({ pattern: '^[0-9.]+\\.0/24$' }),
    externalCidr: Type.String({ pattern: '^[0-9.]+\\.0/24$' }), spice: Type.Boolean(), controller: Type.String({ pattern: '^\\d{1,3}(\\.\\d{1,3}){3}$' }),
  }),
});
export type EnrolmentAnswer = Static<typeof EnrolmentAnswer>;
