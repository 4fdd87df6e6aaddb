/** Names of the formats, which are also how files of them end. By themselves: drawing takes a while to load. */
export const formats = ["html", "md", "csv", "json"] as const;

export type Format = (typeof formats)[number];
