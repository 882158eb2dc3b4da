// common: activation, product-routed, row-tiles
// grouped-gemm/backward-activation, first launch (webgpu)
// Math      for grouped row r of expert e and token t, w the weight of its choice: g[o] = sum_c dout[t,c] w[e,c,o];
//           a[r] = w act(pre[r]); dpre[r] = act'(pre[r]) w g; dots[r,q] = sum of g act(pre[r]) over four columns
//           gated: a = w act(gate) up, dgate = act'(gate) up w g, dup = act(gate) w g; rows that nobody kept are zero
// Shapes    dout [T,C] · weight [E,C,O] or [E,O,C] · lists [L] i32 · weights [W] f32 ·
//           pre, dpre [R,N] · a [R,O] · dots [R, ceil(O / 4)] f32
// Method    the tile of common/wgsl/product-*.wgsl, as product.ts chooses, with rows gathered while loading
// Launch    grid (column tiles of O, at most so many row tiles of all experts), THREADS threads
// Numerics  f32; dpre and a round once; dots take the values before they are rounded, and are the same for every tile
// Limits    those of forward.wgsl

struct Params {
  T: u32,
  R: u32,
  E: u32,
  N: u32,
  C: u32,
  L: u32,
  W: u32,
  transposed: u32,
  choices: u32,
  O: u32,
  activation: u32,
  gated: u32,
  hasBias: u32,
  EFirst: u32,
  EWhole: u32,
}

@group(0) @binding(0) var<storage, read> left: array<Operand>;        // dout [T,C]
@group(0) @binding(1) var<storage, read> right: array<Operand>;       // weight [E,C,O] or [E,O,C]
@group(0) @binding(2) var<storage, read> lists: array<i32>;           // [L]
@group(0) @binding(3) var<storage, read> weights: array<f32>;         // [W]
@group(0) @binding(4) var<storage, read> pre: array<value>;           // [R,N]
@group(0) @binding(5) var<storage, read_write> dpre: array<value>;    // [R,N]
@group(0) @binding(6) var<storage, read_write> a: array<value>;       // [R,O]
@group(0) @binding(7) var<storage, read_write> dots: array<f32>;   // [R, ceil(O / 4)]
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(THREADS)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
  let tile = row_tile(group.y, TILE_ROWS);
  if (tile.expert > params.EWhole) {
    return;
  }
  let kept = tile.expert < params.EWhole;
  let left_matrix = Matrix(0u, params.C, 1u, ITEMS_GATHERED, tile.first);
  let start = (tile.expert - params.EFirst) * params.C * params.O;
  let steps = select(vec2(params.C, 1u), vec2(1u, params.O), params.transposed == 1u);
  let right_matrix = Matrix(start, steps.x, steps.y, PLAIN, 0u);
  let place = vec3(group.x, tile.number, 0u);

  let product = Product(tile.rows, params.O, select(0u, params.C, kept), left_matrix, right_matrix);
  multiply(product, place, thread);

  for (var i = 0u; i < sum_count(product); i++) {
    let row = tile_row(place, thread, i);
    let column = tile_column(place, thread, i);
    if (row >= tile.rows || column >= params.O) {
      continue;
    }
    let r = tile.first + row;
    var weight = 0.0;
    if (kept) {
      weight = weights[choice_of(r)];
    }
    var dot = 0.0;
    for (var j = 0u; j < min(4u, params.O - column); j++) {
      dot += store(r, column + j, kept, weight, sums[i][j]);
    }
    dots[r * ((params.O + 3u) / 4u) + column / 4u] = dot;
  }
}

// Writes what belongs to an output before its second product, and gives its share of the gradient of the weight.
fn store(row: u32, o: u32, kept: bool, weight: f32, g: f32) -> f32 {
  let i = row * params.N + o;
  var gate = 0.0;
  var up = 1.0;
  if (kept) {
    gate = f32(pre[i]);
    if (params.gated == 1u) {
      up = f32(pre[i + params.O]);
    }
  }
  let activated = activate(ACTIVATION, gate);
  dpre[i] = value(weight * g * activation_derivative(ACTIVATION, gate) * up);
  if (params.gated == 1u) {
    dpre[i + params.O] = value(weight * g * activated);
  }
  a[row * params.O + o] = value(weight * activated * up);
  return g * activated * up;
}
