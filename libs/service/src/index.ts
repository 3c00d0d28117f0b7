export * from './admin-server';
export * from './answer-metrics';
export * from './config';
export * from './drain';
export * from './listen-target';
export * from './open-api';
export * from './run-service';
