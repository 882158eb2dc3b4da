// common: grid
// copy/transpose (webgpu)
// Math      y[o + j yRow + i] = x[o + i xRow + j]
// Shapes    i < I, j < J; the offsets o run over [d0..d3], each with a stride in x and one in y
// Method    a square of 4 x 4 in registers: four rows are read, four columns written, each of neighbours. No workgroup
//           memory: what threads of a workgroup read and write makes whole cache lines.
// Tiling    a workgroup owns a tile of 32 x 32, a thread a square; tiles run over i first, then j, then o
// Launch    grid (tiles) folded, 64 threads
// Numerics  moves bits

struct Params {
  d0: u32,
  d1: u32,
  d2: u32,
  d3: u32,
  x0: u32,
  x1: u32,
  x2: u32,
  x3: u32,
  y0: u32,
  y1: u32,
  y2: u32,
  y3: u32,
  I: u32,
  J: u32,
  xRow: u32,
  yRow: u32,
}

@group(0) @binding(0) var<storage, read> x: array<word>;        // [x]
@group(0) @binding(1) var<storage, read_write> y: array<word>;  // [y]
@group(0) @binding(2) var<uniform> params: Params;

const TILE = 32u;  // also in kernels.ts
const FOUR = vec4(0u, 1u, 2u, 3u);

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3<u32>,
  @builtin(num_workgroups) groups: vec3<u32>,
  @builtin(local_invocation_index) lane: u32,
) {
  let across = (params.I + TILE - 1u) / TILE;
  let down = (params.J + TILE - 1u) / TILE;
  let tile = folded_index(group, groups);
  let i = tile % across * TILE + 4u * (lane / 8u);
  let j = tile / across % down * TILE + 4u * (lane % 8u);
  let o = tile / across / down;
  if (o >= params.d0 * params.d1 * params.d2 * params.d3 || i >= params.I || j >= params.J) {
    return;
  }
  let o3 = o % params.d3;
  let o2 = o / params.d3 % params.d2;
  let o1 = o / params.d3 / params.d2 % params.d1;
  let o0 = o / params.d3 / params.d2 / params.d1;
  let source = o0 * params.x0 + o1 * params.x1 + o2 * params.x2 + o3 * params.x3 + j;
  let to = o0 * params.y0 + o1 * params.y1 + o2 * params.y2 + o3 * params.y3 + i;

  // Past the edge the last row and column are read again, and not written.
  let rows = source + min(i + FOUR, vec4(params.I - 1u)) * params.xRow;
  let columns = min(FOUR, vec4(params.J - 1u - j));
  let row0 = row_at(rows.x, columns);
  let row1 = row_at(rows.y, columns);
  let row2 = row_at(rows.z, columns);
  let row3 = row_at(rows.w, columns);

  let count = min(4u, params.I - i);
  write(to, j, count, vec4(row0.x, row1.x, row2.x, row3.x));
  write(to, j + 1u, count, vec4(row0.y, row1.y, row2.y, row3.y));
  write(to, j + 2u, count, vec4(row0.z, row1.z, row2.z, row3.z));
  write(to, j + 3u, count, vec4(row0.w, row1.w, row2.w, row3.w));
}

fn row_at(row: u32, columns: vec4<u32>) -> vec4<word> {
  return vec4(x[row + columns.x], x[row + columns.y], x[row + columns.z], x[row + columns.w]);
}

fn write(to: u32, j: u32, count: u32, four: vec4<word>) {
  if (j >= params.J) {
    return;
  }
  let at = to + j * params.yRow;
  y[at] = four.x;
  if (count > 1u) {
    y[at + 1u] = four.y;
  }
  if (count > 2u) {
    y[at + 2u] = four.z;
  }
  if (count > 3u) {
    y[at + 3u] = four.w;
  }
}
