// common: routing
// Tiles of the grouped rows of a routing, for kernels that may be bound a part of the experts: params.E from params.EFirst on,
// of params.EWhole.

fn expert_count() -> u32 {
  return params.EWhole;
}

// A tile of grouped rows, all of one expert. Expert EWhole, after the last one, has the rows that nobody kept; EWhole + 1 is no
// tile.
struct RowTile {
  expert: u32,
  first: u32,   // of the expert's rows
  rows: u32,    // the expert's
  number: u32,  // of the tile, among the expert's
}

// Tile `number` of the experts bound, in their order, then of the rows that nobody kept: every workgroup finds its own in the
// offsets, so that no table depends on the size of a tile. rowTiles in routing.ts bounds their count.
fn row_tile(number: u32, side: u32) -> RowTile {
  var left = number;
  var first = offset_of(params.EFirst);
  for (var expert = params.EFirst; expert <= min(params.EFirst + params.E, params.EWhole); expert++) {
    var end = params.R;
    if (expert < params.EFirst + params.E) {
      end = offset_of(expert + 1u);
    } else if (expert < params.EWhole) {
      break;
    }
    let tiles = (end - first + side - 1u) / side;
    if (left < tiles) {
      return RowTile(expert, first, end - first, left);
    }
    left -= tiles;
    first = end;
  }
  return RowTile(params.EWhole + 1u, 0u, 0u, 0u);
}
