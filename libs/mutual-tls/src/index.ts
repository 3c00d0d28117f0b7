export * from './authority';
export * from './connect-to-host';
export * from './identity';
export * from './peer';
export * from './towards-broker';
export * from './certificate-request';
