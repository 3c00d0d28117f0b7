export * from './image-formats';
