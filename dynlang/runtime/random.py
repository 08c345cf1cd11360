"""Random bits as a pure function of key, stream and counter: Philox 4x32 with 10 rounds (Salmon, Moraes, Dror, Shaw 2011).

A block is the cipher of (counter low, counter high, stream low, stream high) under (key low, key high) and gives four
words; eight blocks are made at once.
"""

from __future__ import annotations

from dynlang.native.emit import Function, vector

ATTRIBUTES: dict[str, str] = {}

_ROUNDS = 10
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_BLOCKS = 8
_WORDS = vector("i32", _BLOCKS)
_WIDE = vector("i64", _BLOCKS)


def _constant(value: int) -> str:
    return f"splat (i64 {value})"


def _random_bits(f: Function) -> None:
    whole = f.bit_and("%n", -4 * _BLOCKS)
    with f.loop(0, whole, 4 * _BLOCKS) as loop:
        first = f.add("%counter", f.binary("lshr", "i64", loop.index, 2))
        place = f.offset("%result", loop.index, "i32")
        for part, words in enumerate(_interleaved(f, _blocks(f, first))):
            f.store(_WORDS, words, f.offset(place, part * _BLOCKS, "i32"), 4)
    with f.when(f.icmp("slt", whole, "%n")):
        room = f.slot("i32", count=4 * _BLOCKS, align=32)
        first = f.add("%counter", f.binary("lshr", "i64", whole, 2))
        for part, words in enumerate(_interleaved(f, _blocks(f, first))):
            f.store(_WORDS, words, f.offset(room, part * _BLOCKS, "i32"), 32)
        f.copy_bytes(f.offset("%result", whole, "i32"), room, f.mul(f.sub("%n", whole), 4))
    f.ret()


def _halves(f: Function, wide: str) -> tuple[str, str]:
    """Low and high 32 bits of i64 lanes, kept as i64."""
    return f.binary("and", _WIDE, wide, _constant(2**32 - 1)), f.binary("lshr", _WIDE, wide, _constant(32))


def _blocks(f: Function, first: str) -> list[str]:
    """The four words of blocks first, first + 1, ... as four vectors of i32."""
    lanes = "<" + ", ".join(f"i64 {lane}" for lane in range(_BLOCKS)) + ">"
    state = [*_halves(f, f.binary("add", _WIDE, f.splat(_WIDE, first), lanes)), *_halves(f, f.splat(_WIDE, "%stream"))]
    keys = list(_halves(f, f.splat(_WIDE, "%key")))
    for turn in range(_ROUNDS):
        if turn:
            keys = [_halves(f, f.binary("add", _WIDE, key, _constant(step)))[0] for key, step in zip(keys, _WEYL, strict=True)]
        (low0, high0), (low1, high1) = (
            _halves(f, f.binary("mul", _WIDE, word, _constant(by))) for word, by in zip(state[::2], _MULTIPLIERS, strict=True)
        )
        second = f.binary("xor", _WIDE, f.binary("xor", _WIDE, high1, state[1]), keys[0])
        fourth = f.binary("xor", _WIDE, f.binary("xor", _WIDE, high0, state[3]), keys[1])
        state = [second, low1, fourth, low0]
    return [f.convert("trunc", _WIDE, word, _WORDS) for word in state]


def _interleaved(f: Function, words: list[str]) -> list[str]:
    """Four vectors, word by word, as four vectors block by block: the order in memory."""
    pairs = []
    for left, right in ((words[0], words[2]), (words[1], words[3])):
        low = [lane for i in range(_BLOCKS // 2) for lane in (i, i + _BLOCKS)]
        high = [lane + _BLOCKS // 2 for lane in low]
        pairs.append((f.shuffle(_WORDS, left, right, low), f.shuffle(_WORDS, left, right, high)))
    result = []
    for even, odd in zip(*pairs, strict=True):
        low = [lane for i in range(_BLOCKS // 2) for lane in (i, i + _BLOCKS)]
        result += [f.shuffle(_WORDS, even, odd, low), f.shuffle(_WORDS, even, odd, [lane + _BLOCKS // 2 for lane in low])]
    return result


BUILDERS = {"dyn.random_bits": _random_bits}
