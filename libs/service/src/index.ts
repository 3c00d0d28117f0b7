export * from './admin-server';
export * from './answer-metrics';
export * from './config';
export * from './run-service';
