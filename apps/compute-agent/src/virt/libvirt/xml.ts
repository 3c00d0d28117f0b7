import { badRequest } from '@virga/core';

export interface XmlElement {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly children: readonly (XmlElement | string)[];
}

type Attributes = Record<string, string | number | undefined>;
type Child = XmlElement | string | undefined | readonly (XmlElement | undefined)[];

/** What XML 1.0 cannot carry in any notation: most control characters, lone surrogates, U+FFFE and U+FFFF. */
const UNSPEAKABLE = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;
const EVERY_UNSPEAKABLE = new RegExp(UNSPEAKABLE, 'gu');
const MARKUP: Record<string, string> = {
  '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\t': '&#9;', '\n': '&#10;', '\r': '&#13;',
};

function speakable(text: string): string {
  if (UNSPEAKABLE.test(text)) throw badRequest('A value of the instance has a character that cannot be given to the hypervisor.');
  return text;
}

/** The text with a replacement character for each that XML cannot carry; for what people read and nothing obeys. */
export const printable = (text: string): string => text.replace(EVERY_UNSPEAKABLE, '\uFFFD');

/**
 * One element. Attributes and children that are undefined are left out. Values may be any text: they are escaped when
 * written. Names of elements and attributes are ours and are not.
 * @throws CloudError badRequest for a value with a character that XML cannot carry
 */
export function element(name: string, attributes: Attributes = {}, ...children: Child[]): XmlElement {
  const given = Object.entries(attributes).flatMap(([key, value]) => (value === undefined ? [] : [[key, speakable(String(value))] as const]));
  const kept = children.flat().filter((child) => child !== undefined);
  for (const child of kept) if (typeof child === 'string') speakable(child);
  return { name, attributes: Object.fromEntries(given), children: kept };
}

const escapeAttribute = (value: string): string => value.replace(/[&<>"\t\n\r]/g, (character) => MARKUP[character]!);
const escapeText = (text: string): string => text.replace(/[&<>\r]/g, (character) => MARKUP[character]!);

/** The document, two spaces a level; an element that has text is written without any space of ours in it. */
export function writeXml(root: XmlElement, indent = ''): string {
  const attributes = Object.entries(root.attributes).map(([key, value]) => ` ${key}="${escapeAttribute(value)}"`).join('');
  const tag = `${indent}<${root.name}${attributes}`;
  if (root.children.length === 0) return `${tag}/>`;
  if (root.children.some((child) => typeof child === 'string')) {
    const inner = root.children.map((child) => (typeof child === 'string' ? escapeText(child) : writeXml(child))).join('');
    return `${tag}>${inner}</${root.name}>`;
  }
  const inner = root.children.map((child) => writeXml(child as XmlElement, `${indent}  `)).join('\n');
  return `${tag}>\n${inner}\n${indent}</${root.name}>`;
}
