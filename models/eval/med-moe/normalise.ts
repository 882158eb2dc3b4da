/**
 * How the published evaluation of LLaVA-Med and Med-MoE normalises an answer before it compares words, slips included:
 * its numbers depend on them. It goes back to the evaluation of VQA (Antol et al., ICCV 2015).
 */

const MARKS = [...';/[]"{}()=+\\_-><@`,?!'];
const NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const WORDS = new Map([["none", "0"], ...NUMBERS.map((word, i): [string, string] => [word, String(i)])]);
const ARTICLES = new Set(["a", "an", "the"]);

/** Full stops that are deleted: a flag of the pattern is passed as the count. */
const MOST_STOPS = 32;

/** Normalises. Marks are looked for in `text` as given, whatever has been replaced by then. */
export function normaliseForWords(text: string): string {
  const hasThousands = /\p{Nd},\p{Nd}/u.test(text);
  let replaced = text;
  for (const mark of MARKS) {
    const isDeleted = hasThousands || text.includes(`${mark} `) || text.includes(` ${mark}`);
    replaced = replaced.replaceAll(mark, isDeleted ? "" : " ");
  }
  let stops = 0;
  const unstopped = replaced.replace(/\.(?!\p{Nd})/gu, (stop) => (stops++ < MOST_STOPS ? "" : stop));
  return wordsOf(unstopped)
    .map((word) => WORDS.get(word) ?? word)
    .filter((word) => !ARTICLES.has(word))
    .map((word) => CONTRACTIONS.get(word) ?? word)
    .join(" ")
    .replaceAll(",", "");
}

/** Lower-case words between blanks. */
export const wordsOf = (text: string): string[] => text.toLowerCase().split(/\s+/).filter(Boolean);

/** Words whose apostrophes are put back. One apostrophe may be missing, whichever it is. */
const APOSTROPHES = `ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't
  he'd he'd've he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't
  not've o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
  someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're
  there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've when's
  where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't wouldn't've
  y'all y'all'll y'all'd've you'd you'd've you'll you're you've`;

const CONTRACTIONS = new Map<string, string>([
  ...APOSTROPHES.split(/\s+/).flatMap((word) =>
    [...word.matchAll(/'/g)].map(({ index }): [string, string] => [word.slice(0, index) + word.slice(index + 1), word]),
  ),
  // The published list has this one the wrong way round.
  ["somebody'd", "somebodyd"],
]);
