export * from './admin-server';
export * from './config';
export * from './run-service';
