"""Moving elements: copies of runs and windows, fills, and adding one run to another."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from dynlang.native.lower.elementwise import ElementLoop, Input
from dynlang.native.lower.frame import Frame
from dynlang.native.lower.layout import counted, element_bytes, memory
from dynlang.ssa.nodes import Array, Operation, Region, Scalar, Value, ValueType

ZEROS = frozenset({"0", "false", "0x0000000000000000", "zeroinitializer"})


def element_of(kind: ValueType) -> ValueType:
    """The type of an array's elements; a scalar is its own."""
    return kind.element if isinstance(kind, Array) else kind


def shape_of(kind: ValueType) -> tuple[Value | int, ...]:
    return kind.shape if isinstance(kind, Array) else ()


def address(frame: Frame, base: str, index: str, element: ValueType) -> str:
    """The address of element `index`."""
    return base if index == "0" else frame.f.offset(base, index, memory(element))


def copy_run(frame: Frame, target: str, source: str, count: str, element: ValueType, fresh: bool = True) -> None:
    """Copy `count` elements that lie side by side. References are retained; where the target holds some (not `fresh`), released."""
    f = frame.f
    if counted(element):
        frame.counting.retain_slots(f, source, count)
        if not fresh:
            with f.loop(0, count) as loop:
                frame.release(f.load("ptr", f.offset(target, loop.index, "ptr")), element)
    if count == "1":
        f.store(memory(element), f.load(memory(element), source), target)
    else:
        f.copy_bytes(target, source, frame.times(count, element_bytes(element)))


def fill_run(frame: Frame, target: str, value: str, count: str, element: ValueType) -> None:
    """`count` elements, all equal to a value."""
    f = frame.f
    if counted(element):
        with f.loop(0, count) as loop:
            f.store("ptr", frame.retain(value, element), f.offset(target, loop.index, "ptr"))
        return
    assert isinstance(element, Scalar)
    if value in ZEROS:
        f.fill_bytes(target, 0, frame.times(count, element_bytes(element)))
        return
    if element.lanes > 1:
        with f.loop(0, count) as loop:
            f.store(memory(element), value, f.offset(target, loop.index, memory(element)))
        return
    one = Value("v", element)
    region = Region([one], [Operation("yield", [one], [])])
    ElementLoop(frame, region, [Input(value, element.dtype, False)], [(target, element.dtype)], count).emit()


def add_run(frame: Frame, target: str, source: str, count: str, dtype: str) -> None:
    """`target[i] += source[i]`, by vectors."""
    kind = Scalar(dtype)
    x, y, total = Value("x", kind), Value("y", kind), Value("total", kind)
    region = Region([x, y], [Operation("add", [x, y], [total]), Operation("yield", [total], [])])
    ElementLoop(frame, region, [Input(target, dtype, True), Input(source, dtype, True)], [(target, dtype)], count).emit()


def flat_index(frame: Frame, indices: Sequence[str], shape: Sequence[Value | int]) -> str:
    """Where the subarray under leading indices begins, in elements: `i*m*k + j*k` in an array of [n, m, k]."""
    f = frame.f
    if not indices:
        return "0"
    flat = indices[0]
    for index, size in zip(indices[1:], shape[1:], strict=False):
        scaled = "0" if flat == "0" else f.mul(flat, frame.size(size))
        flat = index if scaled == "0" else scaled if index == "0" else f.add(scaled, index)
    rest = frame.product(shape[len(indices):])
    return flat if rest == "1" or flat == "0" else f.mul(flat, rest)


@contextlib.contextmanager
def nest(frame: Frame, counts: Sequence[str]) -> Iterator[list[str]]:
    """A nest of loops over all index tuples, the last fastest."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(frame.f.loop(0, count)).index for count in counts]


Visit = Callable[[str, str, str], None]


def visit_window(frame: Frame, shape: Sequence[Value | int], starts: Sequence[str], counts: Sequence[Value | int], steps: Sequence[int],
                 visit: Visit) -> None:
    """Call `visit(place in the array, place in the window, run length)` for every run of a window, in row-major order.

    Trailing axes that the window takes whole belong to the run; a step other than 1 makes runs of one element.
    """
    f = frame.f

    def is_whole(axis: int) -> bool:
        return starts[axis] == "0" and steps[axis] == 1 and frame.size(counts[axis]) == frame.size(shape[axis])

    outer = len(shape)
    while outer > 0 and is_whole(outer - 1):
        outer -= 1
    partial = []
    if outer > 0 and steps[outer - 1] == 1:
        outer -= 1
        partial = [starts[outer]]
    with nest(frame, [frame.size(one) for one in counts[:outer]]) as indices:
        places = []
        for axis, index in enumerate(indices):
            scaled = index if steps[axis] == 1 else f.mul(index, steps[axis])
            places.append(scaled if starts[axis] == "0" else f.add(starts[axis], scaled))
        visit(flat_index(frame, [*places, *partial], shape), flat_index(frame, indices, counts), frame.product(counts[outer:]))
