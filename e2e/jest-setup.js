/** A guest under CPU emulation on a busy machine takes its time; this bounds a hang, it asserts nothing about speed. */
jest.setTimeout(420_000);
