// common: routing
// Where the elements of an operand of a product lie that may be rows of an expert, with params.choices experts of a token:
// see routing.wgsl. In the place of product-strides.wgsl.

const PLAIN = 0u;
// Items are the grouped rows from `first` on, one after the other; or each is that of its token.
const ITEMS_GROUPED = 1u;
const ITEMS_GATHERED = 2u;
// The same of k.
const K_GROUPED = 3u;
const K_GATHERED = 4u;
// Items are columns of a gated product, PAIRS of the gate, then as many of what it multiplies, which lie `first` items on.
const ITEMS_PAIRED = 5u;

struct Matrix {
  start: u32,      // place of the element (0, 0)
  step: u32,       // from an item (row of the left, column of the right operand) to the next
  step_k: u32,     // from a k to the next
  rows: u32,       // PLAIN and so on
  first: u32,
}

fn item_place(m: Matrix, item: u32) -> u32 {
  switch (m.rows) {
    case ITEMS_GROUPED: { return (m.first + item) * m.step; }
    case ITEMS_GATHERED: { return choice_of(m.first + item) / params.choices * m.step; }
    case ITEMS_PAIRED: { return m.start + (pair_of(item) + item / max(PAIRS, 1u) % 2u * m.first) * m.step; }
    default: { return m.start + item * m.step; }
  }
}

fn k_place(m: Matrix, k: u32) -> u32 {
  switch (m.rows) {
    case K_GROUPED: { return (m.first + k) * m.step_k; }
    case K_GATHERED: { return choice_of(m.first + k) / params.choices * m.step_k; }
    default: { return k * m.step_k; }
  }
}

// Whether the elements of an item lie side by side.
fn is_along_k(m: Matrix) -> bool {
  return m.step_k == 1u && m.rows != K_GROUPED && m.rows != K_GATHERED;
}

// The output of a gated product that a column of its tile goes into.
fn pair_of(column: u32) -> u32 {
  return column / max(2u * PAIRS, 1u) * PAIRS + column % max(PAIRS, 1u);
}
