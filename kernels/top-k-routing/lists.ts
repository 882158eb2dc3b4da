/**
 * The routing record of a mixture-of-experts layer, one i32 buffer that every grouped pass reads:
 *
 *     offsets[E+1] | counts[E] | order[R] | position[R] | experts[R]          R = T·K choices
 *
 * - offsets: grouped rows of expert e are [offsets[e], offsets[e+1]); offsets[E] rows are kept. It is the table of tiles
 *   for every tile size: a workgroup finds its expert and first row in it.
 * - counts: tokens that chose e, before any were dropped.
 * - order: the choice t·K + k of a grouped row; -1 from offsets[E] on.
 * - position: the grouped row of choice t·K + k; -1 where it was dropped.
 * - experts: the expert of choice t·K + k, before dropping.
 *
 * common/cpu/routing.h and common/wgsl/routing.wgsl read it by the same places. A pass that does not gather takes the
 * offsets alone, too.
 */
export interface ListPlaces {
  /** First element of the offsets, always 0. */
  readonly offsets: number;
  /** First element of the counts. */
  readonly counts: number;
  /** First element of the order. */
  readonly order: number;
  /** First element of the positions. */
  readonly position: number;
  /** First element of the experts. */
  readonly experts: number;
  /** Elements of all. */
  readonly length: number;
}

/** Where each list begins, for E experts and R choices. */
export const listPlaces = (E: number, R: number): ListPlaces => {
  const counts = E + 1;
  const order = counts + E;
  return { offsets: 0, counts, order, position: order + R, experts: order + 2 * R, length: order + 3 * R };
};
