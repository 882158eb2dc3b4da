/** Bundles the page of `consilium bench --page` to dist/bench/site. */
export function buildBenchSite(): Promise<void>;
