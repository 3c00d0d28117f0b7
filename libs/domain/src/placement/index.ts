export * from './extra-specs';
export * from './filters';
export * from './groups';
export * from './hosts';
export * from './resources';
export * from './weighers';
