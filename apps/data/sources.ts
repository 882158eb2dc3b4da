/** Where published data sets come from, under which licence, and what is read of them. */

/** A data set that can be fetched. */
export interface DataSource {
  readonly title: string;
  /** The work to cite. */
  readonly paper: string;
  readonly licence: string;
  /** Its text, or where it is told. */
  readonly licenceUrl: string;
  /** What else it asks. */
  readonly terms?: string;
  readonly from: Repository | Files;
  /** What is done with it afterwards; `OUT` stands for the folder. */
  readonly next: string;
  /** What is not in it. */
  readonly missing?: string;
}

/** A repository whose host lists sizes and hashes of its files. */
export interface Repository {
  readonly kind: "hub" | "github";
  /** `owner/name`. */
  readonly name: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Which of its files are taken; the first group is their path here. */
  readonly files: RegExp;
}

/** Files by their URLs: nobody lists what they have to be, the first download is kept in mind. */
export interface Files {
  readonly kind: "urls";
  readonly base: string;
  readonly files: readonly string[];
}

export const sources = {
  "vqa-rad": {
    title: "VQA-RAD: 3,515 questions about 315 radiology images",
    paper: "Lau et al., Scientific Data 5, 180251 (2018)",
    licence: "CC0 1.0",
    licenceUrl: "https://creativecommons.org/publicdomain/zero/1.0/",
    from: {
      kind: "github",
      name: "Awenbocc/med-vqa",
      revision: "0cca6811e38cf54aff6a7cce3442296d07875e64",
      files: /^data\/((?:train|test)set\.json|images\/synpic\d+\.jpg)$/,
    },
    next: "consilium train miss --set vqa-rad --data OUT --out runs/rad",
  },
  slake: {
    title: "SLAKE: 14,028 questions in English and Chinese about 642 radiology images",
    paper: "Liu et al., ISBI 2021, arXiv 2102.09542",
    licence: "CC BY 4.0",
    licenceUrl: "https://creativecommons.org/licenses/by/4.0/",
    from: {
      kind: "hub",
      name: "BoKelvin/SLAKE",
      revision: "main",
      files: /^((?:train|validate|test)\.json|imgs\.zip)$/,
    },
    next: "consilium train miss --set slake --data OUT --out runs/slake",
  },
  pathvqa: {
    title: "PathVQA: 32,632 questions about 4,998 images of pathology",
    paper: "He et al., 2020, arXiv 2003.10286",
    licence: "MIT",
    licenceUrl: "https://github.com/UCSD-AI4H/PathVQA/blob/master/LICENSE",
    from: {
      kind: "hub",
      name: "flaviagiammarino/path-vqa",
      revision: "main",
      files: /^data\/((?:train|validation|test)-[\w-]+\.parquet)$/,
    },
    next: "consilium data check OUT",
  },
  "llava-med": {
    title: "LLaVA-Med: instructions and captions about figures of PubMed Central",
    paper: "Li et al., NeurIPS 2023, arXiv 2306.00890",
    licence: "CC BY-NC 4.0",
    licenceUrl: "https://creativecommons.org/licenses/by-nc/4.0/",
    terms: "For research alone; the terms of OpenAI, whose GPT-4 wrote the texts, and those of each article hold, too",
    from: {
      kind: "urls",
      base: "https://hanoverprod.z21.web.core.windows.net/med_llava/",
      files: [
        "alignment/llava_med_alignment_500k.json",
        "instruct/llava_med_instruct_10k.json",
        "instruct/llava_med_instruct_60k.json",
        "instruct/llava_med_instruct_60k_inline_mention.json",
        "llava_med_image_urls.jsonl",
      ],
    },
    next: "consilium train med-moe --help",
    missing:
      "its images: llava_med_image_urls.jsonl names the archive of PubMed Central that each is in, and LLaVA-Med's own download_images.py fetches them",
  },
} as const satisfies Record<string, DataSource>;

export type SourceName = keyof typeof sources;
export const sourceNames = Object.keys(sources) as SourceName[];
