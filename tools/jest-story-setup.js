/** Stories start real servers; this bounds a hang, it asserts nothing about speed. */
jest.setTimeout(180_000);
