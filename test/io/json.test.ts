import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { JsonError, parseJson, parseJsonLines } from "../../engine/io/json.js";
import { nearest } from "../../engine/io/nearest.js";

function errorOf(run: () => unknown): JsonError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(JsonError);
    return error as JsonError;
  }
  throw new Error("it did not fail");
}

describe("errors say where", () => {
  test("the whole message", () => {
    const text = '{\n  "question": "What is seen?",\n  "answer" "a mass"\n}\n';
    expect(errorOf(() => parseJson(text, "train.json")).message).toBe(
      [
        'train.json:3:12: ":" should follow the key "answer". Write it',
        '  3 |   "answer" "a mass"',
        "    |            ^",
      ].join("\n"),
    );
  });

  test.each<[string, number, number, RegExp]>([
    ["", 1, 1, /ends where a value should be/],
    ["[1,\n2,\n]", 3, 1, /comma before "\]"/],
    ["[1 2]", 1, 4, /"," or "\]" should be here/],
    ['{"a":1,}', 1, 8, /comma before "}"/],
    ["{a:1}", 1, 2, /a key should be here/],
    ["['a']", 1, 2, /single quotes/],
    ["[NaN]", 1, 2, /NaN and Infinity are not JSON/],
    ["[-Infinity]", 1, 2, /not a number/],
    ["[01]", 1, 2, /not a number/],
    ["[1.]", 1, 2, /not a number/],
    ["[+1]", 1, 2, /"\+" where a value/],
    ['["abc\u0001"]', 1, 6, /control character/],
    ['[1,\n"abc, 2\n]', 2, 1, /a string that does not end on its line. Add the closing quote/],
    ['["abc', 1, 2, /never ends/],
    ['["C:\\data"]', 1, 5, /starts no escape.*Windows/],
    ['["\\u12G4"]', 1, 3, /starts no escape/],
    ["{} {}", 1, 4, /more text after the end/],
    ["[1]\r\n\r\n x", 3, 2, /more text/],
    ["[".repeat(600), 1, 513, /nested more than 512 deep/],
    ["tru", 1, 1, /"t" where a value/],
  ])("%j at line %i, column %i", (text, line, column, message) => {
    const error = errorOf(() => parseJson(text, "f.json"));
    expect([error.line, error.column]).toEqual([line, column]);
    expect(error.message).toMatch(message);
    expect(error.file).toBe(`f.json:${line}:${column}`);
  });

  test("a long line is shown around the place, with the caret below it", () => {
    const text = `[${"1,".repeat(5000)}x,${"1,".repeat(5000)}1]`;
    const [, shown, caret] = errorOf(() => parseJson(text, "f.json")).message.split("\n");
    expect(shown.length).toBeLessThan(120);
    expect(shown[caret.indexOf("^")]).toBe("x");
  });

  test("tabs before the place stay tabs below it", () => {
    expect(
      errorOf(() => parseJson('{\n\t"a": x}', "f"))
        .message.split("\n")
        .at(-1),
    ).toBe("    | \t     ^");
  });
});

describe("parseJson", () => {
  const strict = (text: string) => parseJson(text, "f", { duplicateKeys: "error" });

  test("our parser gives what JSON.parse gives", () => {
    fc.assert(
      fc.property(fc.json(), fc.constantFrom(undefined, 1, "\t"), (text, indent) => {
        const pretty = JSON.stringify(JSON.parse(text), null, indent);
        expect(strict(pretty)).toEqual(JSON.parse(pretty));
      }),
      { numRuns: 1000 },
    );
  });

  test("and refuses what JSON.parse refuses, near the truth or not", () => {
    const broken = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, inserted]) => {
      const place = at % (text.length + 1);
      return text.slice(0, place) + inserted + text.slice(place + 1);
    });
    fc.assert(
      fc.property(broken, (text) => {
        let expected: unknown;
        try {
          expected = JSON.parse(text);
        } catch {
          errorOf(() => parseJson(text, "f"));
          return;
        }
        expect(parseJson(text, "f")).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("equal keys: the last one counts, unless they are refused", () => {
    expect(parseJson('{"a":1,"a":2}', "f")).toEqual({ a: 2 });
    const error = errorOf(() => strict('{"a":1,\n "\\u0061":2}'));
    expect([error.line, error.column]).toEqual([2, 2]);
    expect(error.message).toMatch(/"a" is there twice/);
  });

  test("a key called __proto__ changes no prototype", () => {
    const value = strict('{"__proto__":{"x":1}}') as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
    expect(Object.keys(value)).toEqual(["__proto__"]);
  });

  test("a byte order mark is skipped", () => {
    expect(parseJson("\ufeff[1]", "f")).toEqual([1]);
  });

  test("sound text that is nested deeper than anybody follows is refused; brackets in strings are no nesting", () => {
    const deep = `${"[".repeat(600)}${"]".repeat(600)}`;
    expect(errorOf(() => parseJson(`{"a": ${deep}}`, "f")).message).toMatch(/nested more than 512 deep/);
    const brackets = [deep, `"${deep}`, `\\${deep}\\"`];
    expect(parseJson(JSON.stringify(brackets), "f")).toEqual(brackets);
  });

  test("a long string is no deep recursion", () => {
    const text = JSON.stringify("a\\".repeat(1e5));
    expect(strict(text)).toBe("a\\".repeat(1e5));
  });
});

describe("parseJsonLines", () => {
  test("values come with their lines; blank lines are skipped", () => {
    expect(parseJsonLines('{"a":1}\r\n\n[2]\n', "f.jsonl")).toEqual([
      { line: 1, value: { a: 1 } },
      { line: 3, value: [2] },
    ]);
  });

  test("errors name the line of the file", () => {
    const error = errorOf(() => parseJsonLines('{"a":1}\n{"a" 2}\n', "f.jsonl"));
    expect(error.message).toMatch(/^f\.jsonl:2:6: /);
  });
});

test("nearest finds the word that was meant, or none", () => {
  const words = ["learningRate", "batchSize", "epochs"];
  expect(nearest("learning_rate", words)).toBe("learningRate");
  expect(nearest("batchsize", words)).toBe("batchSize");
  expect(nearest("epochs", words)).toBe("epochs");
  expect(nearest("dropout", words)).toBe(null);
  expect(nearest("", words)).toBe(null);
});
