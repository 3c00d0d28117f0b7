/** Made at build time by tools/console-pages.mjs: path to content. */
declare module 'virga:console-pages' {
  export const pages: Record<string, { type: string; body: string; inlineStyles?: boolean; version?: string }>;
}
