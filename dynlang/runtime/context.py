"""The context every function of a compiled program takes: its layout in memory, in one place.

offset  field
     0  i64  stack limit: the lowest address a call may use (0: not checked; all ones: the call is cancelled)
     8  i32  cancel word: anything but 0 asks running code to stop with `CANCELLED`
    12  i32  error code, of `ErrorCode`; 0 while all is well
    16  i32  line of the error in the source, 0 where the runtime does not know it
    20  i32  depth of calls, for targets without a stack limit
    24  i64  live blocks
    32  i64  bytes in live blocks
    40  ptr  next free byte of the chunk in use
    48  ptr  end of the chunk in use
    56  ptr  list of chunks, each linked through its first eight bytes
    64  ptr  list of large blocks, linked both ways
    72  i64  bytes of the caller's stack that a call into a library may use
    80  ptr  list of large blocks that are kept for the next request, linked one way
    88  i64  bytes in kept blocks
    96  i64  copies: blocks of several owners that were copied to be written
   128  [48 x ptr]  free lists by size class
   512  [1024 x i8] text of the error, ends with a zero byte
"""

from __future__ import annotations

from enum import IntEnum

STACK_LIMIT = 0
CANCEL = 8
ERROR_CODE = 12
ERROR_LINE = 16
DEPTH = 20
LIVE_BLOCKS = 24
ALLOCATED_BYTES = 32
CHUNK_NEXT = 40
CHUNK_END = 48
CHUNKS = 56
LARGE_BLOCKS = 64
STACK_BUDGET = 72
KEPT_BLOCKS = 80
KEPT_BYTES = 88
COPIES = 96
FREE_LISTS = 128
ERROR_TEXT = 512
ERROR_TEXT_BYTES = 1024
CONTEXT_BYTES = ERROR_TEXT + ERROR_TEXT_BYTES

SIZE_CLASSES = 48
HEADER_BYTES = 16
CACHE_LINE_BYTES = 64
BLOCK_COUNT = -16
BLOCK_PAYLOAD = -8
GRAIN_BYTES = 32
CHUNK_BYTES = 1 << 20
LARGEST_SMALL_BYTES = 1 << 18
LARGEST_REQUEST_BYTES = 1 << 46
LARGE_HEADER_BYTES = 64
LARGE_LINKS = 32
"""Where the links of a large block begin, before its data; its capacity stands at the beginning of its header."""
MOST_KEPT_BYTES = 1 << 26
"""Freed large blocks of so many bytes, and as many as live, are kept."""


class ErrorCode(IntEnum):
    """Why a call ended without a value. Part of the C interface: numbers are never reused."""

    OK = 0
    OUT_OF_MEMORY = 1
    BOUNDS = 2
    DIVISION_BY_ZERO = 3
    TOO_DEEP = 4
    CANCELLED = 5
    FAILED = 6
    INPUT_OUTPUT = 7
    SIZE = 8
    VALUE = 9
    ARGUMENT = 10
    BROKEN = 11
