// The routing record of a mixture of experts, kernels/top-k-routing/lists.ts, which the kernel binds as lists: array<i32>,
// params.L elements long, for as many experts as the kernel says by expert_count(). A pass that gathers nothing may bind the
// offsets alone.

// First grouped row of an expert; of expert E, the rows kept.
fn offset_of(expert: u32) -> u32 {
  return u32(lists[expert]);
}

// T K: of choices, and of grouped rows. What follows needs the whole record.
fn choice_count() -> u32 {
  return (params.L - 2u * expert_count() - 1u) / 3u;
}

fn count_place(expert: u32) -> u32 {
  return expert_count() + 1u + expert;
}
fn order_place(row: u32) -> u32 {
  return 2u * expert_count() + 1u + row;
}
fn position_place(choice: u32) -> u32 {
  return order_place(choice_count() + choice);
}
fn expert_place(choice: u32) -> u32 {
  return order_place(2u * choice_count() + choice);
}

// The choice t K + k of a grouped row.
fn choice_of(row: u32) -> u32 {
  return u32(lists[order_place(row)]);
}

// The grouped row of a choice, -1 where it was dropped.
fn position_of(choice: u32) -> i32 {
  return lists[position_place(choice)];
}

fn expert_of(choice: u32) -> u32 {
  return u32(lists[expert_place(choice)]);
}
