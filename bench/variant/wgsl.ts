import { readFileSync } from "node:fs";
import { OptionError } from "../../engine/index.js";
import * as parts from "../../engine/wgsl.js";
import { type AnyPass, pass, type WgslSource } from "../../kernels/contract.js";

/**
 * The pass with the text of `file` in place of the kernel of that name; null where no launch of it runs that kernel. The file
 * begins, as ours do, with a line that names the common parts it refers to: those of the kernel that it replaces, or of
 * consilium/wgsl.
 */
export function withWgsl(original: AnyPass, kernel: string, file: string): AnyPass | null {
  const { webgpu } = original;
  const replaced = webgpu?.launches.find(({ source }) => source.name === kernel);
  if (!webgpu || !replaced) return null;
  const source = read(file, replaced.source);
  const launches = webgpu.launches.map((launch) => (launch.source.name === kernel ? { ...launch, source } : launch));
  return pass({ ...original, webgpu: { ...webgpu, launches } });
}

function read(file: string, replaced: WgslSource): WgslSource {
  const text = readFileSync(file, "utf8");
  const named = /^\/\/ common: (.+)/.exec(text)?.[1].split(",") ?? [];
  const known = new Map(
    [...reachable(replaced.common), ...reachable(Object.values(parts).filter((part) => "text" in part))].map((part) => [
      part.name?.split("/").at(-1) ?? "",
      part,
    ]),
  );
  const common = named.map((word) => {
    const part = known.get(word.trim());
    if (!part)
      throw new OptionError(
        `${file}: there is no common part "${word.trim()}". Known: ${[...known.keys()].join(", ")}.`,
      );
    return part;
  });
  return { text, common };
}

function reachable(sources: readonly WgslSource[]): WgslSource[] {
  return sources.flatMap((source) => [source, ...reachable(source.common)]);
}
