import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StopStrings, TextStream, type TokenText } from "../../../models/generation/index.js";

/** A token for each byte, and 256 for a special one that texts spell <end>. */
const bytes: TokenText = {
  bos: null,
  encode: (text) => text.split("<end>").flatMap((part, i) => [...(i ? [256] : []), ...new TextEncoder().encode(part)]),
  decode: (ids) => new TextDecoder().decode(Uint8Array.from(Array.from(ids).filter((id) => id < 256))),
};

const stream = (text: string, stops: StopStrings | null = null) => {
  const out = new TextStream(bytes, stops);
  const ids = bytes.encode(text);
  const pieces: string[] = [];
  const seen: number[] = [];
  for (const id of ids) {
    seen.push(id);
    pieces.push(out.push(id));
    if (stops?.reached(seen)) return [...pieces, out.end({ stopped: true })];
  }
  return [...pieces, out.end({ stopped: false })];
};

describe("TextStream", () => {
  test("pieces are whole characters", () => {
    expect(stream("aé🫀b")).toEqual(["a", "", "é", "", "", "", "🫀", "b", ""]);
  });

  test("any text comes out as it is, in well-formed pieces", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 30 }), (text) => {
        const pieces = stream(text);
        expect(pieces.join("")).toBe(bytes.decode(bytes.encode(text)));
        for (const piece of pieces) expect(() => encodeURIComponent(piece)).not.toThrow();
      }),
    );
  });

  test("what ends within a character ends with U+FFFD", () => {
    const out = new TextStream(bytes);
    expect([out.push(0xf0), out.push(0x9f), out.end({ stopped: false })].join("")).toBe("\uFFFD");
  });

  test("a stop string is never seen, nor its beginning where it becomes one", () => {
    const stops = new StopStrings(bytes, ["###", "<end>"]);
    expect(stream("a#b##c###d", stops).join("")).toBe("a#b##c");
    expect(stream("a#b##", stops).join("")).toBe("a#b##");
    expect(stream("ab<end>cd", stops).join("")).toBe("ab");
    for (const piece of stream("x##y#z###", stops)) expect(piece).not.toContain("###");
  });
});

describe("tokens of several characters", () => {
  const words = ["Liver", ".\n", ".", "##", "#", " # ", "x###y", "\n"];
  const vocabulary: TokenText = {
    bos: null,
    encode: (text) => [words.indexOf(text)],
    decode: (ids) => Array.from(ids, (id) => words[id]).join(""),
  };
  const streamed = (ids: readonly number[], stops: StopStrings) => {
    const out = new TextStream(vocabulary, stops);
    const pieces: string[] = [];
    for (const [i, id] of ids.entries()) {
      pieces.push(out.push(id));
      if (stops.reached(ids.slice(0, i + 1))) return [...pieces, out.end({ stopped: true })];
    }
    return [...pieces, out.end({ stopped: false })];
  };

  test("a token that holds more than the stop string", () => {
    const stops = new StopStrings(vocabulary, ["."]);
    expect(streamed([0, 1, 0], stops)).toEqual(["Liver", "", ""]);
    expect(streamed([0, 2], stops)).toEqual(["Liver", "", ""]);
    expect(streamed([0, 6], new StopStrings(vocabulary, ["##"]))).toEqual(["Liver", "x", "#"]);
  });

  test("a text that spells a stop string in more tokens than it has is not over, and is not held back", () => {
    const stops = new StopStrings(vocabulary, ["##"]);
    expect(streamed([0, 4, 4, 0, 4], stops)).toEqual(["Liver", "", "", "##Liver", "", "#"]);
  });

  test("whatever the tokens, the pieces are the text up to the stop string", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(words.length - 1), { maxLength: 12 }),
        fc.subarray([".", "##", "#", "###", "\n", ". "], { minLength: 1 }),
        (ids, texts) => {
          const stops = new StopStrings(vocabulary, texts);
          const end = ids.findIndex((_, i) => stops.reached(ids.slice(0, i + 1)));
          const said = vocabulary.decode(end < 0 ? ids : ids.slice(0, end + 1));
          expect(streamed(ids, stops).join("")).toBe(end < 0 ? said : stops.cut(said));
        },
      ),
    );
  });
});

describe("StopStrings", () => {
  test("by ids, or by the text of as many last ids as the longest has", () => {
    const stops = new StopStrings(bytes, ["<end>", "no"]);
    expect(stops.reached([])).toBe(false);
    expect(stops.reached([65, 256])).toBe(true);
    expect(stops.reached([256, 65])).toBe(false);
    expect(stops.reached(bytes.encode("no"))).toBe(true);
    expect(stops.reached(bytes.encode("no!"))).toBe(false);
    expect(new StopStrings(bytes, ["a", "long"]).reached(bytes.encode("xax"))).toBe(true);
    expect(new StopStrings(bytes, ["a"]).reached(bytes.encode("xax"))).toBe(false);
  });

  test("a beginning of text that the tokenizer adds does not count", () => {
    const withBos: TokenText = { ...bytes, bos: 1, encode: (text) => [1, ...bytes.encode(text)] };
    expect(new StopStrings(withBos, ["<end>"]).reached([65, 256])).toBe(true);
  });
});
