import { notFound } from '@virga/core';

/** The words for a server that is not there, or not the caller's. */
export const serverNotFound = (id: string) => notFound(`Instance ${id} could not be found.`);
