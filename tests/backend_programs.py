"""Core by hand for the tests of the whole back half: the TreeLSTM of the benchmark W1, loops with tapes, sums with active payloads.

Every program is written once for a dtype: f64 to compare with differences, f32 to run as users do.
"""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.core.build import number
from dynlang.core.nodes import Atom, Literal, Variable, Vjp
from dynlang.types import INT, ArrayType, RowsType, ScalarType, Size, SumType, Type
from grad_checks import Program, Writer, size


class Typed:
    """Types and literals of one dtype."""

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self.scalar = ScalarType(dtype)

    def array(self, *shape: str | int, table: bool = False) -> ArrayType:
        return ArrayType(self.scalar, tuple(map(size, shape)), table)

    def rows(self, *shape: str | int) -> RowsType:
        return RowsType(self.dtype, tuple(map(size, shape)))

    def number(self, value: float) -> Literal:
        return number(value, self.dtype)


def integers(*shape: str | int) -> ArrayType:
    return ArrayType(INT, tuple(map(size, shape)))


def vjp(w: Writer, function: str, arguments: Sequence[Atom], wrt: Sequence[int], cotangents: Sequence[Atom | None],
        results: Sequence[Type]) -> tuple[Variable, ...]:
    """The results of a function, and gradients."""
    request = Vjp(function, tuple(arguments), tuple(wrt), tuple(cotangents))
    return w.builder.bind(request, [Variable("g", kind) for kind in results])


# ---------------------------------------------------------------- the TreeLSTM

WEIGHTS = ("E", "W", "U", "b", "V", "a")
"""Table, leaf cell, node cell, bias of both, output layer and its bias."""


def weights(t: Typed) -> dict[str, Type]:
    return {"E": t.array("v", "d", table=True), "W": t.array("3*d", "d"), "U": t.array("5*d", "2*d"), "b": t.array("5*d"),
            "V": t.array("k", "d"), "a": t.array("k")}


def tree_lstm(dtype: str) -> Program:
    """`build`, `encode`, `logits`, `loss`, `gradient`, `step`; over all trees `infer` and `train`."""
    p, t = Program(), Typed(dtype)
    tree = SumType("Tree", ())
    p.sum("Tree", [], Leaf={"word": INT}, Node={"left": tree, "right": tree})
    _add_build(p, tree)
    _add_encode(p, t, tree)
    _add_loss(p, t, tree)
    _add_step(p, t, tree)
    _add_runs(p, t)
    return p


def _add_build(p: Program, tree: SumType) -> None:
    """The tree under a node, whose children stand in `L` and `R` relative to `start`; a leaf has a word."""

    def build(w: Writer, n, L, R, word, start, node):
        place = w.add(start, node)

        def below(u: Writer, side):
            return u.call("build", n, L, R, word, start, u.at(side, place))

        return w.branch(w.less(w.at(L, place), 0), [tree],
                        lambda u: u.construct(tree, "Leaf", u.at(word, place)),
                        lambda u: u.construct(tree, "Node", below(u, L), below(u, R)))

    arrays = {"L": integers("n"), "R": integers("n"), "word": integers("n")}
    p.function("build", ["n"], {**arrays, "start": INT, "node": INT}, {"tree": tree}, build)


def _add_encode(p: Program, t: Typed, tree: SumType) -> None:
    def encode(w: Writer, v, d, k, E, W, U, b, V, a, subject):
        def gate(u: Writer, z, place):
            return u.slice(z, u.mul(d, place), sizes=["d"])

        def leaf(u: Writer, word):
            z = u.add(u.matvec(W, u.at(E, word)), u.slice(b, 0, sizes=["3*d"]))
            c = u.mul(u.sigmoid(gate(u, z, 0)), u.tanh(gate(u, z, 2)))
            return u.mul(u.sigmoid(gate(u, z, 1)), u.tanh(c)), c

        def node(u: Writer, left, right):
            hl, cl = u.call("encode", v, d, k, E, W, U, b, V, a, left)
            hr, cr = u.call("encode", v, d, k, E, W, U, b, V, a, right)
            z = u.add(u.matvec(U, u.concat(hl, hr)), b)
            kept = u.add(u.mul(u.sigmoid(gate(u, z, 3)), cl), u.mul(u.sigmoid(gate(u, z, 4)), cr))
            c = u.add(u.mul(u.sigmoid(gate(u, z, 0)), u.tanh(gate(u, z, 2))), kept)
            return u.mul(u.sigmoid(gate(u, z, 1)), u.tanh(c)), c

        return w.case(subject, [t.array("d"), t.array("d")], Leaf=leaf, Node=node)

    p.function("encode", ["v", "d", "k"], {**weights(t), "tree": tree}, {"h": t.array("d"), "c": t.array("d")}, encode)

    def logits(w: Writer, v, d, k, E, W, U, b, V, a, subject):
        h, _ = w.call("encode", v, d, k, E, W, U, b, V, a, subject)
        return w.add(w.matvec(V, h), a)

    p.function("logits", ["v", "d", "k"], {**weights(t), "tree": tree}, {"y": t.array("k")}, logits)


def _add_loss(p: Program, t: Typed, tree: SumType) -> None:
    """Cross entropy of the label's class."""

    def loss(w: Writer, v, d, k, E, W, U, b, V, a, subject, label):
        y = w.call("logits", v, d, k, E, W, U, b, V, a, subject)
        top = w.stop_gradient(w.reduce_max(y))
        return w.sub(w.add(w.log(w.reduce_sum(w.exp(w.sub(y, top)))), top), w.at(y, label))

    p.function("loss", ["v", "d", "k"], {**weights(t), "tree": tree, "label": INT}, {"y": t.scalar}, loss)


def _gradients(t: Typed) -> dict[str, Type]:
    return {f"g_{name}": t.rows("v", "d") if name == "E" else kind for name, kind in weights(t).items()}


def _add_step(p: Program, t: Typed, tree: SumType) -> None:
    """Plain gradient descent: of the table the touched rows alone."""

    def gradient(w: Writer, *arguments):
        return vjp(w, "loss", arguments, range(3, 9), [t.number(1.0)], [t.scalar, *_gradients(t).values()])

    p.function("gradient", ["v", "d", "k"], {**weights(t), "tree": tree, "label": INT}, {"y": t.scalar, **_gradients(t)}, gradient)

    def step(w: Writer, v, d, k, *arguments):
        *leaves, subject, label, rate = arguments
        found = vjp(w, "loss", (v, d, k, *leaves, subject, label), range(3, 9), [t.number(1.0)], [t.scalar, *_gradients(t).values()])
        loss, touched, *dense = found
        merged = w.rows_merge(touched)

        def row(u: Writer, place, E):
            index = u.rows_index(merged, place)
            return u.update(E, index, u.sub(u.at(E, index), u.mul(u.rows_row(merged, place), rate)))

        table = w.loop(w.rows_count(merged), [leaves[0]], row)
        moved = [w.sub(leaf, w.mul(slope, rate)) for leaf, slope in zip(leaves[1:], dense, strict=True)]
        return loss, table, *moved

    results = {f"{name}_": kind for name, kind in weights(t).items()}
    p.function("step", ["v", "d", "k"], {**weights(t), "tree": tree, "label": INT, "rate": t.scalar}, {"y": t.scalar, **results}, step,
               inout=tuple((3 + place, 1 + place) for place in range(6)))


def _add_runs(p: Program, t: Typed) -> None:
    """Over the trees of a forest: tree i has the nodes off[i] .. off[i + 1] in post-order."""
    ends = ArrayType(INT, (Size.variable("m") + 1,))
    forest = {"off": ends, "L": integers("n"), "R": integers("n"), "word": integers("n")}

    def planted(u: Writer, n, off, L, R, word, i):
        start = u.at(off, i)
        last = u.sub(u.sub(u.at(off, u.add(i, 1)), start), 1)
        return u.call("build", n, L, R, word, start, last)

    def infer(w: Writer, v, d, k, m, n, *arguments):
        *leaves, off, L, R, word = arguments

        def one(u: Writer, i, found):
            return u.update(found, i, u.call("logits", v, d, k, *leaves, planted(u, n, off, L, R, word, i)))

        return w.loop(m, [w.fill(t.number(0.0), sizes=["m", "k"])], one)

    p.function("infer", ["v", "d", "k", "m", "n"], {**weights(t), **forest}, {"y": t.array("m", "k")}, infer)

    def train(w: Writer, v, d, k, m, n, *arguments):
        *leaves, off, L, R, word, label, rate = arguments

        def one(u: Writer, i, found, *now):
            loss, *then = u.call("step", v, d, k, *now, planted(u, n, off, L, R, word, i), u.at(label, i), rate)
            return u.update(found, i, loss), *then

        return w.loop(m, [w.fill(t.number(0.0), sizes=["m"]), *leaves], one)

    results = {f"{name}_": kind for name, kind in weights(t).items()}
    p.function("train", ["v", "d", "k", "m", "n"], {**weights(t), **forest, "label": integers("m"), "rate": t.scalar},
               {"losses": t.array("m"), **results}, train, inout=tuple((5 + place, 1 + place) for place in range(6)))

    def plant(w: Writer, m, n, off, L, R, word):
        """Builds every tree and drops it: what building costs."""

        def one(u: Writer, i, count):
            return u.case(planted(u, n, off, L, R, word, i), [INT], Leaf=lambda z, _: z.add(count, 1), Node=lambda z, x, y: z.add(count, 2))

        return w.loop(m, [number(0, "i64")], one)

    p.function("plant", ["m", "n"], forest, {"count": INT}, plant)


# ---------------------------------------------------------------- smaller ones


def sequence_lstm(dtype: str) -> Program:
    """An LSTM over the rows of x: a loop whose backward pass pops a tape."""
    p, t = Program(), Typed(dtype)

    def loss(w: Writer, n, d, U, W, b, x):
        zero = t.number(0.0)

        def one(u: Writer, i, h, c):
            z = u.add(u.add(u.matvec(W, u.at(x, i)), u.matvec(U, h)), b)
            gate = [u.slice(z, u.mul(d, place), sizes=["d"]) for place in range(4)]
            c = u.add(u.mul(u.sigmoid(gate[0]), c), u.mul(u.sigmoid(gate[1]), u.tanh(gate[2])))
            return u.mul(u.sigmoid(gate[3]), u.tanh(c)), c

        h, c = w.loop(n, [w.fill(zero, sizes=["d"]), w.fill(zero, sizes=["d"])], one)
        return w.add(w.dot(h, h), w.reduce_sum(c))

    weights_ = {"U": t.array("4*d", "d"), "W": t.array("4*d", "d"), "b": t.array("4*d")}
    p.function("loss", ["n", "d"], {**weights_, "x": t.array("n", "d")}, {"y": t.scalar}, loss)
    return p


def newton(dtype: str) -> Program:
    """Square roots, in a loop that ends when they are good."""
    p, t = Program(), Typed(dtype)

    def loss(w: Writer, n, a):
        root = w.until([a], lambda u, x: u.greater((lambda e: u.dot(e, e))(u.sub(u.mul(x, x), a)), t.number(1e-4)),
                       lambda u, x: u.mul(u.add(x, u.div(a, x)), t.number(0.5)))
        return w.dot(root, a)

    p.function("loss", ["n"], {"a": t.array("n")}, {"y": t.scalar}, loss)
    return p


def weighted_tree(dtype: str) -> Program:
    """A tree with numbers and vectors in its leaves, which is differentiated itself."""
    p, t = Program(), Typed(dtype)
    tree = SumType("Sum", (size("d"),))
    p.sum("Sum", ["d"], One={"x": t.scalar}, Many={"y": t.array("d")}, Both={"left": tree, "right": tree}, Nothing={})

    def total(w: Writer, d, b, subject):
        def both(u: Writer, left, right):
            x, y = u.call("total", d, b, left), u.call("total", d, b, right)
            return u.add(u.mul(x, y), u.sin(x))

        return w.case(subject, [t.scalar], One=lambda u, x: u.mul(x, x), Many=lambda u, y: u.dot(u.tanh(y), b), Both=both,
                      Nothing=lambda u: t.number(0.5))

    p.function("total", ["d"], {"b": t.array("d"), "tree": tree}, {"y": t.scalar}, total)
    return p


def sweep(dtype: str) -> Program:
    """Rows of a matrix updated in place, each from the one before, in two rounds; then read back."""
    p, t = Program(), Typed(dtype)

    def loss(w: Writer, n, d, A, s):
        def one(u: Writer, trip, X):
            i = u.floor_modulo(trip, n)
            here = u.at(X, i)
            before = u.at(X, u.floor_modulo(u.add(i, u.sub(n, 1)), n))
            return u.update(X, i, u.tanh(u.add(u.mul(here, s), u.mul(before, before))))

        X = w.loop(w.mul(n, 2), [A], one)
        return w.reduce_sum(w.mul(X, X))

    p.function("loss", ["n", "d"], {"A": t.array("n", "d"), "s": t.array("d")}, {"y": t.scalar}, loss)
    return p

