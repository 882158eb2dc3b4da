// Elements of the operands of a product, which its kernel binds as left and right: array<Operand>.

alias Operand = vec4<value>;

fn left_element(at: u32) -> f32 {
  return f32(left[at / 4u][at % 4u]);
}

// From a multiple of four on.
fn left_four(at: u32) -> vec4<f32> {
  return vec4<f32>(left[at / 4u]);
}

fn right_element(at: u32) -> f32 {
  return f32(right[at / 4u][at % 4u]);
}

fn right_four(at: u32) -> vec4<f32> {
  return vec4<f32>(right[at / 4u]);
}
