"""Blocks: allocation by size class over chunks, reference counts, and the context itself.

A block of at most 256 KiB comes from the free list of its size class, or is cut from a chunk of 1 MiB; a larger one is
the system's, linked into a list so that `context_destroy` can return everything, whatever is still live. Freed large blocks
are kept for requests of about their size: to give pages back and get others costs more than to pass over the data. Their
data begin at a multiple of 64.

Size classes count grains of 32 bytes: with u = grains - 1, u below 4 is its own class; above, each power of two has
four classes. A slot starts 16 bytes before a multiple of 32, so that the data behind the header is aligned; one of a class whose slots
are all multiples of 64 bytes, before a multiple of 64: a row of 16 floats then lies in one line of the caches.
"""

from __future__ import annotations

from dynlang import runtime
from dynlang.native.emit import Function, Operand
from dynlang.runtime import context as layout
from dynlang.runtime.context import ErrorCode

# A call takes 1 or 2 ns; written out at every place these would double a program's code and the time to compile it.
ATTRIBUTES = {
    **dict.fromkeys(("dyn.allocate", "dyn.free", "dyn.release"), "nounwind noinline"),
    **dict.fromkeys(("dyn.retain", "dyn.is_unique"), "nounwind inlinehint"),
}

_LARGEST_PAYLOAD = layout.LARGEST_SMALL_BYTES - layout.HEADER_BYTES


def field(f: Function, offset: int) -> str:
    """The address of a field of the context."""
    return f.offset("%context", offset, "i8")


def add_to_field(f: Function, offset: int, amount: Operand) -> None:
    place = field(f, offset)
    f.store("i64", f.add(f.load("i64", place), amount), place)


def payload_bytes(f: Function, block: Operand) -> str:
    """The payload size that stands in a block's header."""
    return f.load("i64", f.offset(block, layout.BLOCK_PAYLOAD, "i8"))


def _size_class(f: Function, payload: Operand) -> tuple[str, str, str]:
    """(class, shift, quarter): a slot of the class has (quarter + 1) << shift grains."""
    grains = f.binary("lshr", "i64", f.add(payload, layout.GRAIN_BYTES - layout.HEADER_BYTES - 1), 5)
    f.module.declare("llvm.ctlz.i64", "i64", "i64", "i1", attributes="")
    shift = f.maximum(f.sub(61, f.call("llvm.ctlz.i64", grains, "false")), 0)
    quarter = f.binary("lshr", "i64", grains, shift)
    return f.add(f.mul(shift, 4), quarter), shift, quarter


def _free_list(f: Function, size_class: Operand) -> str:
    return f.offset(field(f, layout.FREE_LISTS), size_class, "ptr")


def _begin_block(f: Function, block: Operand, payload: Operand) -> None:
    """Count one, the payload's size, and one more live block."""
    f.store("i64", 1, f.offset(block, layout.BLOCK_COUNT, "i8"))
    f.store("i64", payload, f.offset(block, layout.BLOCK_PAYLOAD, "i8"))
    add_to_field(f, layout.LIVE_BLOCKS, 1)
    add_to_field(f, layout.ALLOCATED_BYTES, payload)


def _context_create(f: Function) -> None:
    f.module.declare("calloc", "ptr", "i64", "i64")
    f.ret(f.call("calloc", 1, layout.CONTEXT_BYTES))


def _context_destroy(f: Function) -> None:
    """Returns every chunk and every large block, live or not."""
    _free_all(f, layout.CHUNKS, 0, 0)
    for blocks in (layout.LARGE_BLOCKS, layout.KEPT_BLOCKS):
        _free_all(f, blocks, 8, layout.LARGE_LINKS - layout.LARGE_HEADER_BYTES)
    f.call("free", "%context")
    f.ret()


def _free_all(f: Function, first: int, link: int, start: int) -> None:
    """Frees a list whose items have their successor at `link`; the system's block begins at `start`."""
    f.module.declare("free", "void", "ptr")
    with f.repeat([("ptr", f.load("ptr", field(f, first)))]) as walk:
        walk.break_if(f.icmp("eq", walk.carried[0], "null", "ptr"))
        following = f.load("ptr", f.offset(walk.carried[0], link, "i8"))
        f.call("free", f.offset(walk.carried[0], start, "i8"))
        walk.next = [following]


def _allocate(f: Function) -> None:
    runtime.build(f.module, "dyn.allocate_slowly", "ptr", ("ptr context", "i64 bytes"), _allocate_slowly, "nounwind noinline cold")
    slow, try_list, found = f.label("slow"), f.label("list"), f.label("found")
    f.branch_if(f.icmp("ugt", "%bytes", _LARGEST_PAYLOAD), slow, try_list)
    f.place(try_list)
    place = _free_list(f, _size_class(f, "%bytes")[0])
    block = f.load("ptr", place)
    f.branch_if(f.icmp("eq", block, "null", "ptr"), slow, found)
    f.place(slow)
    f.ret(f.call("dyn.allocate_slowly", "%context", "%bytes"))
    f.place(found)
    f.store("ptr", f.load("ptr", block), place)
    _begin_block(f, block, "%bytes")
    f.ret(block)


def _allocate_slowly(f: Function) -> None:
    with f.when(f.icmp("ugt", "%bytes", layout.LARGEST_REQUEST_BYTES)):
        _out_of_memory(f)
    with f.when(f.icmp("ugt", "%bytes", _LARGEST_PAYLOAD)):
        _allocate_large(f)
    _, shift, quarter = _size_class(f, "%bytes")
    size = f.mul(f.binary("shl", "i64", f.add(quarter, 1), shift), layout.GRAIN_BYTES)
    spare = f.select(f.icmp("eq", shift, 0), "i64", 0, layout.CACHE_LINE_BYTES - layout.GRAIN_BYTES)
    fits = f.icmp("uge", f.sub(_address(f, layout.CHUNK_END), _address(f, layout.CHUNK_NEXT)), f.add(size, spare))
    with f.when(f.binary("xor", "i1", fits, "true")):
        _new_chunk(f)
    skipped = f.bit_and(f.sub(-layout.HEADER_BYTES, _address(f, layout.CHUNK_NEXT)), spare)
    start = f.offset(f.load("ptr", field(f, layout.CHUNK_NEXT)), skipped, "i8")
    f.store("ptr", f.offset(start, size, "i8"), field(f, layout.CHUNK_NEXT))
    block = f.offset(start, layout.HEADER_BYTES, "i8")
    _begin_block(f, block, "%bytes")
    f.ret(block)


def _address(f: Function, offset: int) -> str:
    return f.convert("ptrtoint", "ptr", f.load("ptr", field(f, offset)), "i64")


def _out_of_memory(f: Function) -> None:
    runtime.fail(f, ErrorCode.OUT_OF_MEMORY, "out of memory: {} bytes were asked for", "%bytes")
    f.ret("null")


def _new_chunk(f: Function) -> None:
    """A chunk's first grain holds the link to the next chunk; slots start behind it."""
    f.module.declare("aligned_alloc", "ptr", "i64", "i64")
    chunk = f.call("aligned_alloc", 64, layout.CHUNK_BYTES)
    with f.when(f.icmp("eq", chunk, "null", "ptr")):
        _out_of_memory(f)
    f.store("ptr", f.load("ptr", field(f, layout.CHUNKS)), chunk)
    f.store("ptr", chunk, field(f, layout.CHUNKS))
    f.store("ptr", f.offset(chunk, layout.HEADER_BYTES, "i8"), field(f, layout.CHUNK_NEXT))
    f.store("ptr", f.offset(chunk, layout.CHUNK_BYTES, "i8"), field(f, layout.CHUNK_END))


def _allocate_large(f: Function) -> None:
    """A kept block of the size or up to a quarter more, else a new one."""
    f.module.declare("aligned_alloc", "ptr", "i64", "i64")
    most = f.add("%bytes", f.binary("lshr", "i64", "%bytes", 2))
    with f.repeat([("ptr", field(f, layout.KEPT_BLOCKS))]) as walk:
        links = f.load("ptr", walk.carried[0])
        walk.break_if(f.icmp("eq", links, "null", "ptr"))
        capacity = f.load("i64", _capacity(f, links))
        following = f.offset(links, 8, "i8")
        with f.when(f.binary("and", "i1", f.icmp("uge", capacity, "%bytes"), f.icmp("ule", capacity, most))):
            f.store("ptr", f.load("ptr", following), walk.carried[0])
            add_to_field(f, layout.KEPT_BYTES, f.sub(0, capacity))
            _begin_large(f, links)
        walk.next = [following]
    size = f.bit_and(f.add("%bytes", layout.LARGE_HEADER_BYTES + 63), -64)
    start = f.call("aligned_alloc", 64, size)
    with f.when(f.icmp("eq", start, "null", "ptr")):
        _out_of_memory(f)
    f.store("i64", f.sub(size, layout.LARGE_HEADER_BYTES), start)
    _begin_large(f, f.offset(start, layout.LARGE_HEADER_BYTES - layout.LARGE_LINKS, "i8"))


def _capacity(f: Function, links: Operand) -> str:
    return f.offset(links, layout.LARGE_LINKS - layout.LARGE_HEADER_BYTES, "i8")


def _begin_large(f: Function, links: Operand) -> None:
    """Return the block behind `links`, {previous, next}, as one of those that live."""
    first = f.load("ptr", field(f, layout.LARGE_BLOCKS))
    f.store("ptr", "null", links)
    f.store("ptr", first, f.offset(links, 8, "i8"))
    with f.when(f.icmp("ne", first, "null", "ptr")):
        f.store("ptr", links, first)
    f.store("ptr", links, field(f, layout.LARGE_BLOCKS))
    block = f.offset(links, layout.LARGE_LINKS, "i8")
    _begin_block(f, block, "%bytes")
    f.ret(block)


def _free(f: Function) -> None:
    runtime.build(f.module, "dyn.free_large", "void", ("ptr context", "ptr block"), _free_large, "nounwind noinline cold")
    payload = payload_bytes(f, "%block")
    add_to_field(f, layout.LIVE_BLOCKS, -1)
    add_to_field(f, layout.ALLOCATED_BYTES, f.sub(0, payload))
    with f.when(f.icmp("ugt", payload, _LARGEST_PAYLOAD)):
        f.call("dyn.free_large", "%context", "%block")
        f.ret()
    place = _free_list(f, _size_class(f, payload)[0])
    f.store("ptr", f.load("ptr", place), "%block")
    f.store("ptr", "%block", place)
    f.ret()


def _free_large(f: Function) -> None:
    """The block is kept; if too much would be then, nothing is."""
    f.module.declare("free", "void", "ptr")
    links = f.offset("%block", -layout.LARGE_LINKS, "i8")
    previous = f.load("ptr", links)
    after = f.offset(links, 8, "i8")
    following = f.load("ptr", after)
    with f.when(f.icmp("ne", following, "null", "ptr")):
        f.store("ptr", previous, following)
    head = f.icmp("eq", previous, "null", "ptr")
    f.store("ptr", following, f.select(head, "ptr", field(f, layout.LARGE_BLOCKS), f.offset(previous, 8, "i8")))
    kept = f.add(f.load("i64", field(f, layout.KEPT_BYTES)), f.load("i64", _capacity(f, links)))
    most = f.add(f.load("i64", field(f, layout.ALLOCATED_BYTES)), layout.MOST_KEPT_BYTES)
    f.store("ptr", f.load("ptr", field(f, layout.KEPT_BLOCKS)), after)
    f.store("ptr", links, field(f, layout.KEPT_BLOCKS))
    f.store("i64", kept, field(f, layout.KEPT_BYTES))
    with f.when(f.icmp("ugt", kept, most)):
        _free_all(f, layout.KEPT_BLOCKS, 8, layout.LARGE_LINKS - layout.LARGE_HEADER_BYTES)
        f.store("ptr", "null", field(f, layout.KEPT_BLOCKS))
        f.store("i64", 0, field(f, layout.KEPT_BYTES))
    f.ret()


def _count(f: Function) -> tuple[str, str]:
    place = f.offset("%block", layout.BLOCK_COUNT, "i8")
    return place, f.load("i64", place)


def _retain(f: Function) -> None:
    place, count = _count(f)
    with f.when(f.icmp("sgt", count, 0)):
        f.store("i64", f.add(count, 1), place)
    f.ret()


def _release(f: Function) -> None:
    """One reference less; a block that holds no references to others is freed with its last."""
    runtime.declare(f.module, "dyn.free")
    place, count = _count(f)
    with f.when(f.icmp("sgt", count, 1)):
        f.store("i64", f.sub(count, 1), place)
        f.ret()
    with f.when(f.icmp("eq", count, 1)):
        f.call("dyn.free", "%context", "%block")
    f.ret()


def _is_unique(f: Function) -> None:
    f.ret(f.icmp("eq", _count(f)[1], 1))


BUILDERS = {
    "dyn.context_create": _context_create,
    "dyn.context_destroy": _context_destroy,
    "dyn.live_blocks": lambda f: f.ret(f.load("i64", field(f, layout.LIVE_BLOCKS))),
    "dyn.allocated_bytes": lambda f: f.ret(f.load("i64", field(f, layout.ALLOCATED_BYTES))),
    "dyn.allocate": _allocate,
    "dyn.free": _free,
    "dyn.retain": _retain,
    "dyn.release": _release,
    "dyn.is_unique": _is_unique,
    "dyn.payload_bytes": lambda f: f.ret(payload_bytes(f, "%block")),
}
