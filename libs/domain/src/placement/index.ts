export * from './extra-specs';
export * from './filters';
export * from './hosts';
export * from './resources';
export * from './weighers';
