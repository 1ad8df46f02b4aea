"""The loops that bench/arm finds in a disassembly."""

from bench.arm.loops import innermost_loops

DISASSEMBLY = """
0000000000000000 <rows(float const*, long)>:
   0:\tcbz\tx1, 40 <rows(float const*, long)+0x40>
   4:\tldr\tq0, [x0], #16
   8:\tldp\tq1, q2, [x2]
   c:\tfmla\tv4.4s, v1.4s, v0.s[0]
  10:\tfmla\tv5.4s, v2.4s, v0.s[1]
  14:\tcmp\tx1, #0x4
  18:\tb.ne\t4 <rows(float const*, long)+0x4>
  1c:\tsubs\tx3, x3, #0x1\t// =1
  20:\tb.ne\t0 <rows(float const*, long)>
  24:\tret
  28:\tprfm\tpldl2keep, [x0]
  2c:\tb\t8 <rows(float const*, long)+0x8>

0000000000000040 <nothing()>:
  40:\tb\t0 <rows(float const*, long)>
"""


def test_the_innermost_loop_is_found_without_blocks_that_were_moved_out_of_it():
    (loop,) = innermost_loops(DISASSEMBLY)
    assert loop.function == "rows(float const*, long)"
    assert len(loop.instructions) == 6
    assert (loop.products, loop.loads) == (2, 2)
    assert loop.assembly.splitlines()[0] == "ldr\tq0, [x0], #16"
    assert loop.assembly.splitlines()[-1] == "b.ne\taway"
