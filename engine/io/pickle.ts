/**
 * A restricted unpickler: the binary opcodes of pickle protocols 2 to 5 (cpython/Lib/pickletools.py) as a loop over one
 * stack. It runs nothing: the host says what a global stands for, and refuses what it does not know.
 *
 * Bounds, for hostile files: each opcode does work in proportion to the bytes it stands for, so time is linear in the
 * input; what its values take of the heap is counted, for a byte of pickle may become hundreds; what a host function copies
 * from memoized values is charged to a budget of the input's size.
 */
import { FileFormatError } from "./errors.js";
import type { PickleHost } from "./pickle-host.js";
import { Machine } from "./pickle-machine.js";
import { checkTree } from "./pickle-tree.js";

/** Reads one pickle. Dicts become Maps; tuples, lists and sets arrays; integers beyond 2^53 bigints. */
export function unpickle(bytes: Uint8Array, start: number, host: PickleHost): { value: unknown; end: number } {
  const machine = new Machine(bytes, start, host);
  for (;;) {
    const at = machine.at;
    const opcode = machine.byte();
    if (opcode === STOP) break;
    const run = OPCODES.get(opcode);
    if (!run) {
      const advice = "Save it again with torch.save and its default pickle protocol";
      throw new FileFormatError(
        host.file,
        `pickle opcode 0x${opcode.toString(16)} at byte ${at} is not supported`,
        advice,
      );
    }
    machine.takeOpcode();
    run(machine);
  }
  const value = machine.pop();
  checkTree(value, host.file);
  return { value, end: machine.at };
}

function toMap(machine: Machine, items: unknown[]): void {
  machine.push(new Map());
  machine.setItems(items);
}

const STOP = 0x2e;

type Operation = (m: Machine) => void;

/** By opcode; the names are those of pickletools. Text opcodes of protocol 0 are left out: torch never wrote them. */
const OPCODES: ReadonlyMap<number, Operation> = new Map<number, Operation>([
  [0x80, (m) => void m.byte()], // PROTO
  [0x95, (m) => void m.u64()], // FRAME
  [0x28, (m) => m.mark()], // MARK
  [0x30, (m) => m.discard()], // POP
  [0x31, (m) => void m.popMark()], // POP_MARK
  [0x32, (m) => m.push(m.top())], // DUP

  [0x4e, (m) => m.push(null)], // NONE
  [0x88, (m) => m.push(true)], // NEWTRUE
  [0x89, (m) => m.push(false)], // NEWFALSE
  [0x4a, (m) => m.push(m.i32())], // BININT
  [0x4b, (m) => m.push(m.byte())], // BININT1
  [0x4d, (m) => m.push(m.u16())], // BININT2
  [0x8a, (m) => m.push(m.integer(m.byte()))], // LONG1
  [0x8b, (m) => m.push(m.integer(m.u32()))], // LONG4
  [0x47, (m) => m.push(m.f64())], // BINFLOAT

  [0x54, (m) => m.push(m.text(m.u32()))], // BINSTRING
  [0x55, (m) => m.push(m.text(m.byte()))], // SHORT_BINSTRING
  [0x58, (m) => m.push(m.text(m.u32()))], // BINUNICODE
  [0x8c, (m) => m.push(m.text(m.byte()))], // SHORT_BINUNICODE
  [0x8d, (m) => m.push(m.text(m.u64()))], // BINUNICODE8
  [0x42, (m) => m.push(m.blob(m.u32()))], // BINBYTES
  [0x43, (m) => m.push(m.blob(m.byte()))], // SHORT_BINBYTES
  [0x8e, (m) => m.push(m.blob(m.u64()))], // BINBYTES8
  [0x96, (m) => m.push(m.blob(m.u64()))], // BYTEARRAY8

  [0x5d, (m) => m.push([])], // EMPTY_LIST
  [0x8f, (m) => m.push([])], // EMPTY_SET
  [0x29, (m) => m.push([])], // EMPTY_TUPLE
  [0x7d, (m) => m.push(new Map())], // EMPTY_DICT
  [0x6c, (m) => m.push(m.popMark())], // LIST
  [0x74, (m) => m.push(m.popMark())], // TUPLE
  [0x91, (m) => m.push(m.popMark())], // FROZENSET
  [0x64, (m) => toMap(m, m.popMark())], // DICT
  [0x85, (m) => m.push(m.popTuple(1))], // TUPLE1
  [0x86, (m) => m.push(m.popTuple(2))], // TUPLE2
  [0x87, (m) => m.push(m.popTuple(3))], // TUPLE3
  [0x61, (m) => m.append(m.popTuple(1))], // APPEND
  [0x65, (m) => m.append(m.popMark())], // APPENDS
  [0x90, (m) => m.append(m.popMark())], // ADDITEMS
  [0x73, (m) => m.setItems(m.popTuple(2))], // SETITEM
  [0x75, (m) => m.setItems(m.popMark())], // SETITEMS

  [0x71, (m) => m.memoize(m.byte())], // BINPUT
  [0x72, (m) => m.memoize(m.u32())], // LONG_BINPUT
  [0x94, (m) => m.memoize(m.memo.size)], // MEMOIZE
  [0x68, (m) => m.recall(m.byte())], // BINGET
  [0x6a, (m) => m.recall(m.u32())], // LONG_BINGET

  [0x63, (m) => m.push(m.host.global(m.line(), m.line()))], // GLOBAL
  [0x93, (m) => m.stackGlobal()], // STACK_GLOBAL
  [0x52, (m) => m.call()], // REDUCE
  [0x81, (m) => m.call()], // NEWOBJ
  [0x62, (m) => m.build()], // BUILD
  [0x51, (m) => m.push(m.host.persistent(m.pop()))], // BINPERSID
]);
