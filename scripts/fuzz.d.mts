/** Sources as one program for Node, which starts no compiler. The paths of the bundles. */
export function bundleFuzz(): Promise<{ child: string; main: string }>;
