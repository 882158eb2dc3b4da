/** What one side of a conversation says. */
export interface Message {
  /** Who says it. */
  readonly role: "user" | "assistant";
  /** What, with `<image>` where an image goes. */
  readonly text: string;
}

/** Stands in a text where an image goes. */
export const IMAGE = "<image>";

/** How many images have a place in a text. */
export const countImages = (text: string) => text.split(IMAGE).length - 1;
