/** Injection tokens of the image service. */
export const LOGGER = Symbol('image.logger');
