export * from './states';
export * from './monitor';
