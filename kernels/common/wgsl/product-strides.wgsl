// Where the elements of an operand of a product lie: at equal steps. product-routed.wgsl is for rows that are gathered.

struct Matrix {
  start: u32,      // place of the element (0, 0)
  step: u32,       // from an item (row of the left, column of the right operand) to the next
  step_k: u32,     // from a k to the next
}

// Place of the first element of an item.
fn item_place(m: Matrix, item: u32) -> u32 {
  return m.start + item * m.step;
}

// From there to its element k.
fn k_place(m: Matrix, k: u32) -> u32 {
  return k * m.step_k;
}

// Whether the elements of an item lie side by side.
fn is_along_k(m: Matrix) -> bool {
  return m.step_k == 1u;
}
