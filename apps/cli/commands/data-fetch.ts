import { Argument, type Command } from "commander";
import { type FetchOptions, fetchDataSet } from "../../data/fetch.js";
import { LOCK_FILE } from "../../data/lock-file.js";
import { type DataSource, type SourceName, sourceNames, sources } from "../../data/sources.js";
import { addOutputOptions } from "../options/common-options.js";
import { UsageError } from "../terminal/exit.js";
import { bytes as byteText, count } from "../terminal/format.js";
import { Interruption } from "../terminal/interruption.js";
import { type OutputOptions, say, writeJson } from "../terminal/output.js";
import { Progress } from "../terminal/progress.js";

interface Options extends OutputOptions {
  out?: string;
  acceptLicence?: boolean;
}

const EXAMPLES = `
What breaks off goes on where it was, by the same command. Each file is compared with the hash that its host lists; where none does
(llava-med), with that of its first download. ${LOCK_FILE} in the folder keeps the hashes, and the commit.
HF_ENDPOINT names a mirror of the hub, HF_TOKEN is what it asks for.

Data sets:
${Object.entries(sources)
  .map(([name, { title, licence }]) => `  ${name.padEnd(10)} ${title} (${licence})`)
  .join("\n")}

Examples:
  consilium data fetch slake                                       shows its licence
  consilium data fetch slake --accept-licence --out data/slake
  consilium data check data/slake`;

export function addDataFetch(command: Command): void {
  command
    .addArgument(new Argument("<name>", "the data set").choices(sourceNames))
    .option("--out <folder>", "where to put it (default: data/NAME)")
    .option("--accept-licence", "go on: the licence that is shown without this is accepted");
  addOutputOptions(command).addHelpText("after", EXAMPLES).action(run);
}

async function run(name: SourceName, options: Options): Promise<void> {
  const source: DataSource = sources[name];
  const { out = `data/${name}`, acceptLicence } = options;
  const { title, paper, licence, licenceUrl, terms, missing } = source;
  const about = [
    title,
    `  ${paper}`,
    `  licence: ${licence}, ${licenceUrl}`,
    ...(terms ? [`  ${terms}.`] : []),
    ...(missing ? [`  not in it: ${missing}.`] : []),
  ].join("\n");
  if (!acceptLicence)
    throw new UsageError(`${about}\nRead the licence; where you accept it, fetch the data with --accept-licence.`);
  say(options, about);
  using interruption = new Interruption("waiting for the network");
  const progress = new Progress(null);
  const show = progress.counting(name, "MB");
  const megabytes = (bytes: number) => Math.ceil(bytes / 1e6);
  const onProgress: FetchOptions["onProgress"] = (loaded, total) =>
    show(megabytes(loaded), Math.max(megabytes(total ?? loaded), megabytes(loaded)));
  const work = fetchDataSet(name, source, out, {
    signal: interruption.signal,
    ...(process.env.HF_TOKEN && { token: process.env.HF_TOKEN }),
    onProgress,
    onNote: (text) => progress.note(text),
  });
  const { lock, files, bytes } = await interruption.guard(
    work,
    `stopped; what has come of ${name} is kept in ${out}, the same command goes on with it.`,
  );
  const all = Object.values(lock.files);
  const unlisted = all.filter(({ listed }) => !listed).length;
  say(
    options,
    files === 0 ? `${out}: all is there, and as it was.` : `${out}: ${count(files)} files, ${byteText(bytes)}.`,
  );
  if (unlisted > 0)
    say(
      options,
      `${count(unlisted)} files have no hash that their host lists: those of this download are in ${LOCK_FILE}.`,
    );
  say(options, `next: ${source.next.replaceAll("OUT", out)}`);
  await writeJson(options, {
    version: 1,
    command: "data fetch",
    name,
    licence,
    out,
    commit: lock.commit,
    fetched: { files, bytes },
    files: lock.files,
  });
}
