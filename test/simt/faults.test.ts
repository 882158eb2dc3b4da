import { describe, expect, test } from "vitest";
import { launch, markedLines } from "./launch.js";

/** Every fault that the simulator looks for is planted in faults/*.cu, and must be found where it is; clean kernels pass. */
const inOut = (n: number) => [`f32:${n}=ramp`, `f32:${n}`];
const block = (n: number) => `block=${n}`;
const sixtyFour = [block(64), ...inOut(64)];
const oneWarp = [block(32), ...inOut(32)];

/** By kernel: how it is launched, and what the report says besides the place. */
type Faults = Readonly<Record<string, readonly [args: readonly string[], words: RegExp]>>;

const memory: Faults = {
  read_past_the_end: [oneWarp, /^700 .*read of 4 bytes of global memory, 0 past the end of an allocation/],
  write_past_the_end: [oneWarp, /^700 .*write of 4 bytes of global memory, 0 past the end of an allocation/],
  read_before_the_start: [oneWarp, /^700 .*read of 4 bytes of global memory, 4 before the start of an allocation/],
  across_the_end: [
    [block(32), "f32:34=ramp", "f32:32"],
    /^700 .*read of 16 bytes of global memory across the end of an allocation: 8 inside/,
  ],
  null_pointer: [oneWarp, /^700 .*read of 4 bytes at a null pointer/],
  misaligned: [oneWarp, /^716 .*read of 8 bytes at an address that is not a multiple of 8: 0x4 past one/],
  misaligned_bulk: [
    [block(32), "u16:64=ramp", "u16:32"],
    /^716 .*read of 16 bytes at an address that is not a multiple of 16: 0x8 past one/,
  ],
  unwritten_global: [oneWarp, /^719 .*read of 4 bytes of global memory of which byte 0 was never written/],
  unwritten_shared: [
    [block(63), ...inOut(63)],
    /^719 .*read of 4 bytes of shared memory of which byte 0 was never written/,
  ],
  shared_of_another_block: [
    ["grid=8", block(32), "f32:32=ramp", "f32:32=0"],
    /shared memory of which byte 0 was never written|^719 .*race in global memory/,
  ],
  past_static_shared: [oneWarp, /^700 .*read of 4 bytes outside the variables in shared memory/],
  past_dynamic_shared: [
    [...oneWarp, "shared=124"],
    /^700 .*write of 4 bytes at byte 124 of dynamic shared memory, which has 124/,
  ],
  inside_a_function: [oneWarp, /^700 .*past the end of an allocation/],
  whole_struct: [oneWarp, /^700 .*read of 24 bytes of global memory across the end|^700 .*past the end/],
};

const races: Faults = {
  read_after_write: [
    sixtyFour,
    /race in shared memory: read without a barrier after the write by thread \(\d+,0,0\)|never written/,
  ],
  write_after_read: [
    sixtyFour,
    /race in shared memory: (write without a barrier after the read|read without a barrier after the write) by thread/,
  ],
  write_after_many_reads: [
    sixtyFour,
    /race in shared memory: (write without a barrier after the read by several warps|(write|read) without a barrier after the (read|write) by)/,
  ],
  two_writes: [sixtyFour, /race in shared memory: write without a barrier after the write by thread/],
  in_a_warp: [sixtyFour, /race in shared memory: read without a barrier after the write|never written/],
  shuffle_is_no_barrier: [sixtyFour, /race in shared memory: read without a barrier after the write by thread/],
  global_in_a_block: [sixtyFour, /race in global memory: write without a barrier after the write by thread/],
  between_blocks: [
    ["grid=2", ...sixtyFour],
    /race in global memory: write without a barrier after the write by another block/,
  ],
  atomic_and_plain: [
    [block(64), "u32:1=0", "u32:64"],
    /race in global memory: (atomic operation without a barrier after the write|write without a barrier after the atomic operation) by thread/,
  ],
  taken_too_late: [
    [block(64), ...inOut(32)],
    /race in shared memory: (write without a barrier after the read|read without a barrier after the write) by/,
  ],
};

const waits: Faults = {
  exit_before_a_barrier: [
    sixtyFour,
    /waits? for all of the block, \d+ of whose threads have exited|a thread exits while others wait for it/,
  ],
  barrier_in_a_branch: [sixtyFour, /__syncthreads in divergent code/],
  counts_differ: [sixtyFour, /barrier 3 for \d\d threads, while others wait there for \d\d at/],
  no_multiple_of_a_warp: [sixtyFour, /barrier 3 for 40 threads in a block of 64: a count is a multiple of 32/],
  nobody_comes: [
    sixtyFour,
    /deadlock: 32 threads wait in a named barrier at .*; 32 threads wait in a named barrier at/,
  ],
  lanes_missing: [
    sixtyFour,
    /__shfl_xor_sync of lanes 0xffffffff, of which lane \d+ has exited|a thread exits while lanes of its warp wait for it in __shfl_xor_sync/,
  ],
  not_in_the_mask: [sixtyFour, /__shfl_xor_sync of lanes 0x0000ffff, of which the calling lane \d+ is none/],
  other_lanes_elsewhere: [sixtyFour, /divergent warp: __shfl_xor_sync .* wait for this one in __shfl_xor_sync/],
  vote_against_shuffle: [
    sixtyFour,
    /divergent warp: (a vote|__shfl_xor_sync) .* wait for this one in (a vote|__shfl_xor_sync)/,
  ],
  warp_at_a_barrier: [
    oneWarp,
    /deadlock: 31 threads wait in __shfl_xor_sync at .*; 1 thread waits in __syncthreads at/,
  ],
  product_of_half_a_warp: [sixtyFour, /mma of lanes 0xffffffff, of which lane \d+ has exited|wait for it in mma/],
  matrix_row_misaligned: [oneWarp, /^716 .*read of 16 bytes at an address that is not a multiple of 16/],
  matrix_in_global_memory: [oneWarp, /^700 .*ldmatrix of global memory/],
  copy_not_waited_for: [sixtyFour, /read of 4 bytes of shared memory while an asynchronous copy to it is under way/],
  waited_for_an_older_group: [
    sixtyFour,
    /read of 4 bytes of shared memory while an asynchronous copy to it is under way/,
  ],
  copy_of_another_thread: [sixtyFour, /while an asynchronous copy|race in shared memory|never written/],
  copy_misaligned: [oneWarp, /^716 .*read of 16 bytes at an address that is not a multiple of 16/],
  copy_past_the_end: [
    sixtyFour,
    /^700 .*read of 1 byte of global memory, 0 past the end|^700 .*read of 4 bytes of global memory, 0 past the end/,
  ],
  trapped: [oneWarp, /^719 .*__trap\(\)/],
};

for (const [file, faults] of Object.entries({ memory, races, waits }))
  describe(`faults/${file}.cu`, () => {
    for (const [kernel, [args, words]] of Object.entries(faults))
      for (const seed of ["1", "2", "3"])
        test(`${kernel}, seed ${seed}`, async () => {
          const { report } = await launch(`faults/${file}`, kernel, args, { CONSILIUM_SIMT_SEED: seed });
          expect(report).toMatch(words);
          expect(report).toMatch(new RegExp(`${kernel}: .*, block \\(\\d+,0,0\\), thread \\(\\d+,0,0\\), at `));
          const lines = markedLines(`test/simt/faults/${file}.cu`, kernel);
          expect(lines.length, "lines marked in the source").toBeGreaterThan(0);
          expect(
            lines.some((line) => report.includes(`test/simt/faults/${file}.cu:${line}`)),
            `${report}\nnames none of the lines ${lines}`,
          ).toBe(true);
          expect(report.split("\n")).toHaveLength(1);
        });
  });

const clean: readonly [module: string, kernel: string, args: readonly string[]][] = [
  ["faults/memory", "clean", oneWarp],
  ["faults/races", "clean", sixtyFour],
  ["faults/races", "in_a_warp_ordered", sixtyFour],
  ["faults/races", "halves_of_a_word", [block(64), "u16:64=ramp", "u16:64"]],
  ["faults/races", "bytes_of_a_word", [block(64), "u8:64=ramp", "u8:64"]],
  ["faults/races", "last_block", ["grid=5", block(64), "u32:1=0", "u32:5"]],
  ["faults/races", "passed_on", [block(64), ...inOut(32)]],
];
test.each(clean)("%s: %s passes, alike under every seed", async (module, kernel, args) => {
  const [first, ...others] = await Promise.all(
    ["1", "2", "3", "4"].map((seed) => launch(module, kernel, args, { CONSILIUM_SIMT_SEED: seed })),
  );
  expect(first.report).toBe("");
  for (const other of others) expect(other).toEqual(first);
});

test("blocks agree by a counter: the last adds up", async () => {
  const { memories } = await launch("faults/races", "last_block", ["grid=5", block(64), "u32:1=0", "u32:5"]);
  expect(memories[1][0]).toBe(15);
});

test("seeds change the order of blocks and threads, and nothing else does", async () => {
  const order = async (seed: string) =>
    (await launch("faults/waits", "order", ["grid=4", block(64), "u32:1=0", "u32:256"], { CONSILIUM_SIMT_SEED: seed }))
      .memories[1];
  const [one, again, two] = await Promise.all(["1", "1", "2"].map(order));
  expect(one).toEqual(again);
  expect(one).not.toEqual(two);
  expect([...two].sort((a, b) => Number(a) - Number(b))).toEqual(Array.from({ length: 256 }, (_, i) => i));
});

describe("launches that the driver refuses", () => {
  test.each([
    ["more threads than the launch bounds", "bounded", oneWarp, "701 cuLaunchKernel"],
    ["more threads than a block has", "clean", [block(1025), ...inOut(32)], "1 cuLaunchKernel"],
    ["a kernel that is not there", "absent", oneWarp, "500 cuModuleGetFunction"],
  ])("%s", async (_, kernel, args, words) => {
    const { report } = await launch("faults/memory", kernel, args);
    expect(report).toContain(words);
  });
});

describe("faults by the environment", () => {
  test.each([
    ["no device", { CONSILIUM_SIMT_DEVICES: "0" }, /^100 cuInit/],
    ["no memory left", { CONSILIUM_SIMT_MEMORY: "512" }, /^2 cuMemAllocAsync: out of memory/],
    ["the second allocation fails", { CONSILIUM_SIMT_FAIL_ALLOCATION: "2" }, /^2 cuMemAllocAsync: out of memory/],
    [
      "the first launch fails",
      { CONSILIUM_SIMT_FAIL_LAUNCH: "1" },
      /^700 cuStreamSynchronize: an illegal memory access/,
    ],
  ])("%s", async (_, environment, words) => {
    const { report } = await launch("faults/memory", "clean", oneWarp, environment);
    expect(report).toMatch(words);
  });
});
