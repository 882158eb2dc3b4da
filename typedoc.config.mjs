import { readFileSync } from "node:fs";

const { exports } = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
const declared = Object.values(exports).flatMap(({ types }) => types ?? []);

/** Pages of every entry point of the package. What users cannot look up is an error. */
export default {
  entryPoints: declared.map((path) => path.replace("./dist/", "").replace(/\.d\.ts$/, ".ts")),
  out: "docs/api",
  tsconfig: "tsconfig.build.json",
  readme: "README.md",
  excludeInternal: true,
  excludePrivate: true,
  validation: { notExported: true, invalidLink: true, rewrittenLink: true, notDocumented: true },
  treatWarningsAsErrors: true,
  // Links to sources need a remote, which not every checkout has.
  disableSources: true,
  // Tables and schemas that types are made from, and classes that come as members only.
  intentionallyNotExported: [
    "STORED_BYTES",
    "ACTIVATIONS",
    "schema",
    "folderSchema",
    "tableSchema",
    "stateSchema",
    "validationSchema",
    "MissNetwork",
    "MissTokenizer",
    "BITS",
    "GROUPS",
    "data",
    "Saved",
    "DecoderLayer",
    "ClipVisionTower",
    "Projector",
  ],
};
