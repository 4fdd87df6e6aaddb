/** HTML in which nothing is taken for markup that was not written as such here. */
import { visible } from "./text.ts";

/** HTML as it is. */
export class Markup {
  readonly text: string;

  /** @param text - trusted: written here, or by a serializer that escapes */
  constructor(text: string) {
    this.text = text;
  }
}

/** What can stand in a template: texts are escaped, undefined is nothing. */
export type Content = string | number | Markup | undefined | readonly Content[];

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

function written(content: Content): string {
  if (content === undefined) return "";
  if (content instanceof Markup) return content.text;
  if (typeof content === "object") return content.map(written).join("");
  return visible(String(content)).replaceAll(/[&<>"']/g, (character) => entities[character]!);
}

/** Attribute values have to be quoted. */
export function html(strings: TemplateStringsArray, ...values: readonly Content[]): Markup {
  return new Markup(strings.reduce((text, string, i) => text + written(values[i - 1]) + string));
}

/** A name in a direction of its own, so that one written from right to left does not reorder what is around it. */
export const named = (name: string): Markup => html`<bdi>${name}</bdi>`;

/** A message of several lines. */
export const lined = (message: string): Markup =>
  html`${message.split(/\r?\n/).map((line, i) => html`${i === 0 ? undefined : html`<br />`}${line}`)}`;
