import { internalError } from '@virga/core';
import type { XmlElement } from './xml';

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
const SKIPPED = /^(?:<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<!DOCTYPE[^>[]*>)/;
const OPENING = /^<([A-Za-z_][\w.:-]*)((?:\s+[A-Za-z_][\w.:-]*\s*=\s*(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/;
const ATTRIBUTE = /([A-Za-z_][\w.:-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;
const CLOSING = /^<\/([A-Za-z_][\w.:-]*)\s*>/;
const CDATA = /^<!\[CDATA\[([\s\S]*?)\]\]>/;

function unescape(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-fA-F]{1,6})|(\w+));/g, (all, decimal?: string, hex?: string, name?: string) => {
    if (name !== undefined) return ENTITIES[name] ?? all;
    return String.fromCodePoint(decimal !== undefined ? Number(decimal) : Number.parseInt(hex!, 16));
  });
}

interface Open { name: string; attributes: Record<string, string>; children: (XmlElement | string)[] }

/**
 * Reads a document that the hypervisor wrote: elements, attributes, text, CDATA; comments are skipped, own entities
 * unknown. Text that is only space is dropped.
 * @throws CloudError internal when it is not well-formed
 */
export function readXml(xml: string): XmlElement {
  const root: Open = { name: '', attributes: {}, children: [] };
  const stack: Open[] = [root];
  let rest = xml;
  const malformed = () => internalError('The hypervisor sent a document that is no XML.', { details: { near: rest.slice(0, 80) } });
  while (rest.length > 0) {
    const inside = stack[stack.length - 1]!;
    const take = (pattern: RegExp): RegExpExecArray | null => {
      const found = pattern.exec(rest);
      if (found) rest = rest.slice(found[0].length);
      return found;
    };
    if (take(SKIPPED)) continue;
    const cdata = take(CDATA);
    if (cdata) { inside.children.push(cdata[1]!); continue; }
    const closing = take(CLOSING);
    if (closing) {
      if (stack.length === 1 || inside.name !== closing[1]) throw malformed();
      stack.pop();
      continue;
    }
    const opening = take(OPENING);
    if (opening) {
      const attributes = Object.fromEntries([...opening[2]!.matchAll(ATTRIBUTE)].map(([, key, double, single]) => [key!, unescape(double ?? single ?? '')]));
      const child: Open = { name: opening[1]!, attributes, children: [] };
      inside.children.push(child);
      if (!opening[3]) stack.push(child);
      continue;
    }
    const text = take(/^[^<]+/);
    if (!text) throw malformed();
    if (text[0].trim()) inside.children.push(unescape(text[0]));
  }
  const elements = root.children.filter((child): child is XmlElement => typeof child !== 'string');
  if (stack.length !== 1 || elements.length !== 1 || root.children.length !== 1) throw malformed();
  return elements[0]!;
}

/** Elements at a path of names below `root`, e.g. `all(domain, 'devices', 'interface')`. */
export function all(root: XmlElement, ...path: string[]): XmlElement[] {
  return path.reduce<XmlElement[]>(
    (found, name) => found.flatMap(({ children }) => children.filter((child): child is XmlElement => typeof child !== 'string' && child.name === name)),
    [root],
  );
}

/** The first of them, if there is one. */
export const one = (root: XmlElement, ...path: string[]): XmlElement | undefined => all(root, ...path)[0];

/** Text directly inside an element; empty for an absent one. */
export const textOf = (of: XmlElement | undefined): string => (of?.children ?? []).filter((child) => typeof child === 'string').join('');
