"""Programs of a chosen size: realistic ones of many lines, and one family for each thing that could grow too fast.

`realistic(lines)` reads like what people write: records with methods, sum types, matches, comprehensions, loops, strings and
gradients. `FAMILIES` has the steps of a compiler that are quadratic in a naive one, each as a program of `n` parts. `LIMITS` has
programs of a few lines that mean something huge.
"""

from __future__ import annotations

from collections.abc import Callable

# ---------------------------------------------------------------- realistic programs

SECTIONS = (
    '''record Layer{i}<n, m>:
    w: f32[m, n]
    b: f32[m]

    fn call(self, x: f32[n]) -> f32[m]:
        return tanh(self.w @ x + self.b)

    fn size(self) -> int:
        return n * m + m

fn make_layer{i}<n, m>(seed: int) -> Layer{i}<n, m>:
    var rng = Rng(seed=seed)
    let w: f32[m, n] = [[0.01 * f32((r * 7 + c * {k}) % 11 - 5) for c in n] for r in m]
    return Layer{i}(w=w, b=zeros(m))

fn loss_layer{i}<n, m>(layer: Layer{i}<n, m>, x: f32[n], target: f32[m]) -> f32:
    let difference = layer(x) - target
    return 0.5 * sum(difference * difference)

fn slope_layer{i}<n, m>(layer: Layer{i}<n, m>, x: f32[n], target: f32[m]) -> Tangent<Layer{i}<n, m>>:
    return grad(loss_layer{i})(layer, x, target)

fn use{i}(x: f32) -> f32:
    let layer: Layer{i}<{a}, {b}> = make_layer{i}({k})
    let slopes = slope_layer{i}(layer, [x * f32(j + 1) for j in {a}], ones({b}))
    return sum(slopes.b) + f32(layer.size()) * 0.001
''',
    '''type Shape{i}:
    Circle{i}(radius: f32)
    Box{i}(width: f32, height: f32)
    Pair{i}(left: Shape{i}, right: Shape{i})
    Empty{i}

fn area{i}(s: Shape{i}) -> f32:
    match s:
        Circle{i}(radius):
            return 3.14159 * radius ** 2.0
        Box{i}(width, height):
            return width * height
        Pair{i}(left, right):
            return area{i}(left) + area{i}(right)
        Empty{i}:
            return 0.0

fn grow{i}(s: Shape{i}, by: f32) -> Shape{i}:
    match s:
        Circle{i}(radius):
            return Circle{i}(radius * by)
        Box{i}(width, height):
            return Box{i}(width * by, height)
        Pair{i}(left, right):
            return Pair{i}(grow{i}(left, by), grow{i}(right, by))
        Empty{i}:
            return s

fn use{i}(x: f32) -> f32:
    let s = Pair{i}(Circle{i}(x), Pair{i}(Box{i}(x, {a}.0), Empty{i}))
    return area{i}(grow{i}(s, 1.5)) + grad(y => area{i}(grow{i}(s, y)))(0.5)
''',
    '''fn window{i}<n>(x: f32[n], k: int) -> f32:
    """The mean of every {a}th element."""
    var total = 0.0
    var count = 0
    for j in n:
        if j % {a} == k:
            total += x[j]
            count += 1
        elif j % {a} > k + 1:
            total -= 0.1 * x[j]
    if count == 0:
        return 0.0
    return total / f32(count)

fn smooth{i}<n>(x: f32[n], rate: f32) -> f32[n]:
    var y = x
    for step in {b}:
        let mean_of_all = sum(y) / f32(max(n, 1))
        y = [v + rate * (mean_of_all - v) for v in y]
    return y

fn use{i}(x: f32) -> f32:
    let values = [sin(x + f32(j)) for j in {c}]
    let first = window{i}(smooth{i}(values, 0.25), 1)
    let second = sum(v * v for v in values if v > 0.0)
    return first + second + max(values[j] * values[j + 1] for j in {c} - 1)
''',
    '''record Account{i}:
    owner: str
    balance: f64
    history: List<f64>

    fn deposit(self: inout, amount: f64) -> bool:
        if amount <= 0.0:
            return false
        self.balance += amount
        self.history.push(amount)
        return true

    fn average(self) -> f64:
        if len(self.history) == 0:
            return 0.0
        return sum(self.history) / f64(len(self.history))

fn describe{i}(a: Account{i}) -> str:
    let word = "rich" if a.balance > {a}00.0 else "poor"
    return f"{{a.owner}} is {{word}}: {{a.balance:.2f}}"

fn use{i}(x: f32) -> f32:
    var account = Account{i}(owner="account {i}", balance=f64(x), history=List())
    for j in {b}:
        let fine = account.deposit(f64(j) * 1.5)
        if not fine and j > 0:
            fail("a deposit that should have been fine")
    return f32(account.average()) + f32(len(describe{i}(account)))
''',
    '''fn attend{i}<n, d>(q: f32[d], keys: f32[n, d], values: f32[n, d]) -> f32[d]:
    let scores = softmax(keys @ q / sqrt(f32(d)))
    return [sum(scores[j] * values[j, c] for j) for c]

fn encode{i}<n, d>(x: f32[n, d], w: f32[d, d]) -> f32[n, d]:
    let mixed = [attend{i}(row, x, x) for row in x]
    return [tanh(w @ row) for row in mixed]

fn score{i}<n, d>(w: f32[d, d], x: f32[n, d]) -> f32:
    return mean(sum(row * row) for row in encode{i}(x, w))

fn use{i}(x: f32) -> f32:
    let w: f32[{a}, {a}] = [[0.1 * f32(r - c) for c in {a}] for r in {a}]
    let xs: f32[{b}, {a}] = [[sin(x * f32(r + c)) for c in {a}] for r in {b}]
    let value, slope = value_and_grad(score{i})(w, xs)
    return value + sum([sum(row) for row in slope])
''',
    '''fn collatz{i}(start: int, limit: int) -> int:
    """The steps that {k}-Collatz takes, at most `limit`."""
    var n = start
    var steps = 0
    while n != 1 and steps < limit:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps

fn histogram{i}(limit: int) -> int[{a}]:
    var counts: int[{a}] = [0 for j in {a}]
    for j in limit:
        counts[collatz{i}(j + 1, 100) % {a}] += 1
    return counts

fn use{i}(x: f32) -> f32:
    let counts = histogram{i}({c})
    var best = 0
    for j in {a}:
        if counts[j] > counts[best]:
            best = j
    return x * f32(best) + f32(counts[0])
''',
    '''type Term{i}:
    Number{i}(value: f32)
    Plus{i}(a: Term{i}, b: Term{i})
    Times{i}(a: Term{i}, b: Term{i})
    Variable{i}

fn value{i}(t: Term{i}, x: f32) -> f32:
    match t:
        Number{i}(value):
            return value
        Plus{i}(a, b):
            return value{i}(a, x) + value{i}(b, x)
        Times{i}(a, b):
            return value{i}(a, x) * value{i}(b, x)
        Variable{i}:
            return x

fn simpler{i}(t: Term{i}) -> Term{i}:
    match t:
        Times{i}(Number{i}(a), Number{i}(b)):
            return Number{i}(a * b)
        Plus{i}(Number{i}(a), b) if a == 0.0:
            return simpler{i}(b)
        Plus{i}(a, b):
            return Plus{i}(simpler{i}(a), simpler{i}(b))
        _:
            return t

fn use{i}(x: f32) -> f32:
    let t = Plus{i}(Number{i}({a}.0), Times{i}(Variable{i}, Plus{i}(Variable{i}, Number{i}({b}.5))))
    return value{i}(simpler{i}(t), x) + grad(y => value{i}(t, y))(x)
''',
    '''record Point{i}:
    x: f32
    y: f32
    mass: f32 = {a}.0

fn force{i}(p: Point{i}, q: Point{i}) -> (f32, f32):
    let dx = q.x - p.x
    let dy = q.y - p.y
    let distance = sqrt(dx * dx + dy * dy + 0.01)
    let strength = p.mass * q.mass / distance ** 3.0
    return strength * dx, strength * dy

fn move{i}(p: inout Point{i}, q: Point{i}, dt: f32):
    let fx, fy = force{i}(p, q)
    p.x += dt * fx
    p.y += dt * fy

fn energy{i}(ps: List<Point{i}>) -> f32:
    var total = 0.0
    for p in ps:
        for q in ps:
            total -= p.mass * q.mass / sqrt((p.x - q.x) ** 2.0 + (p.y - q.y) ** 2.0 + 0.01)
    return total

fn use{i}(x: f32) -> f32:
    var ps: List<Point{i}> = List()
    for j in {b}:
        ps.push(Point{i}(x=x * f32(j), y=f32(j % 3)))
    let fixed = Point{i}(x=0.5, y=0.25)
    for j in len(ps):
        move{i}(&ps[j], fixed, 0.125)
    return energy{i}(ps)
''',
    '''fn choose{i}(word: str, depth: int) -> int:
    if word == "up":
        return depth + {a}
    elif word == "down":
        return depth - {a}
    elif starts{i}(word, "left"):
        return depth * 2
    else:
        return 0

fn starts{i}(text: str, part: str) -> bool:
    return len(text) >= len(part) and text[:len(part)] == part

fn compose{i}(f: f32 -> f32, g: f32 -> f32) -> (f32 -> f32):
    return x => f(g(x))

fn newton{i}(f: f32 -> f32, start: f32) -> f32:
    var x = start
    for step in {b}:
        let y, slope = value_and_grad(f)(x)
        if abs(slope) > 0.001:
            x -= y / slope
    return x

fn use{i}(x: f32) -> f32:
    let h = compose{i}(y => y * y - {a}.0, y => y + 0.5)
    return newton{i}(h, x + 1.0) + f32(choose{i}("left-most", {k}) + choose{i}("up", 1))
''',
    '''fn mix{i}<n, m>(a: f32[n], b: f32[m]) -> f32[n + m]:
    return concat(a, b)

fn pairs{i}<n>(x: f32[2*n]) -> f32[n]:
    return [x[2 * j] * x[2 * j + 1] for j in n]

fn convolve{i}<n, k>(x: f32[n + k], w: f32[k + 1]) -> f32[n]:
    return [sum(w[j] * x[t + j] for j in k + 1) for t in n]

fn rows{i}<n, m>(x: f32[n, m]) -> (f32[n], f32[m]):
    return [sum(row) for row in x], [sum(x[r, c] for r in n) for c in m]

fn use{i}(x: f32) -> f32:
    let joined: f32[{b} + {b}] = mix{i}([x for j in {b}], [f32(j) for j in {b}])
    let halved = pairs{i}(joined)
    let by_row, by_column = rows{i}([[v * w for v in halved] for w in joined])
    let shaped = reshape(concat(by_row, by_row), 2, 2 * {b})
    return sum(by_column) + sum(shaped[1]) + sum(convolve{i}(joined, [0.25, 0.5, 0.25]) ** 2.0)
''',
)


def realistic(lines: int) -> str:
    """A program of about so many lines, with a `main` that calls each of its parts."""
    parts: list[str] = []
    count = total = 0
    while total < lines - 8 - count:
        i = count
        parts.append(SECTIONS[i % len(SECTIONS)].format(i=i, a=3 + i % 5, b=4 + i % 7, c=12 + i % 9, k=1 + i % 13))
        total += parts[-1].count("\n") + 1
        count += 1
    calls = "\n".join(f"    total += use{i}(x)" for i in range(count))
    return "\n".join([*parts, f"proc main(x: f32 = 0.25):\n    var total = 0.0\n{calls}\n    print(total)\n"])


def modules(count: int, lines: int) -> dict[str, str]:
    """A program of several modules, `m0` to `m{count-1}` and `main`: each imports the one before and one further back."""
    found: dict[str, str] = {}
    for place in range(count):
        before = sorted({place - 1, place // 2} - {place, -1})
        imports = "".join(f"import m{one}\n" for one in before)
        body = realistic(lines).rpartition("\nproc main")[0]
        calls = "".join(f" + m{one}.answer(x)" for one in before)
        found[f"m{place}"] = f"{imports}\n{body}\nfn answer(x: f32) -> f32:\n    return use0(x){calls}\n"
    last = count - 1
    return found | {"main": f"import m{last}\n\nproc main():\n    print(m{last}.answer(0.25))\n"}


# ---------------------------------------------------------------- one thing that grows


def statements(n: int) -> str:
    """A straight line of scalar statements."""
    body = "".join(f"    let x{i + 1} = x{i} * 0.999 + {i % 17}.5\n" for i in range(n))
    return f"fn f(x0: f32) -> f32:\n{body}    return x{n}\n\nproc main(x: f32 = 0.5):\n    print(f(x))\n"


def array_statements(n: int) -> str:
    """A straight line of statements on arrays."""
    body = "".join(f"    let x{i + 1} = tanh(x{i} * 0.9) + {i % 17}.5\n" for i in range(n))
    return f"fn f<n>(x0: f32[n]) -> f32[n]:\n{body}    return x{n}\n\nproc main(x: f32 = 0.5):\n    print(f([x, x + 1.0]))\n"


def assignments(n: int) -> str:
    """A straight line of updates of the same few variables."""
    body = "".join(f"    v{i % 7} += v{(i + 1) % 7} * 0.125 - {i % 5}.0\n" for i in range(n))
    first = "".join(f"    var v{i} = x\n" for i in range(7))
    return f"fn f(x: f32) -> f32:\n{first}{body}    return v0 + v1\n\nproc main(x: f32 = 0.5):\n    print(f(x))\n"


def straight_gradient(n: int) -> str:
    """The derivative of a straight line."""
    body = "".join(f"    let x{i + 1} = sin(x{i}) * x{i // 2}\n" for i in range(n))
    return f"fn f(x0: f32) -> f32:\n{body}    return x{n}\n\nproc main(x: f32 = 0.5):\n    print(grad(f)(x))\n"


def loops_gradient(n: int) -> str:
    """The derivative of many loops in a row."""
    body = "".join(f"    for i in k:\n        y = sin(y) * x + {i % 7}.5\n" for i in range(n))
    return f"fn f(x: f32, k: int) -> f32:\n    var y = x\n{body}    return y\n\nproc main(x: f32 = 0.5):\n    print(grad(f)(x, 3))\n"


def matches_gradient(n: int) -> str:
    """The derivative of many matches in a row, of payloads that are differentiated, too."""
    body = "".join(f"    match s:\n        A(a):\n            y = sin(y) * a + {i % 7}.5\n        B(a, b):\n            y += a * b\n"
                   "        C:\n            y *= 0.5\n" for i in range(n))
    return ("type S:\n    A(a: f32)\n    B(a: f32, b: f32)\n    C\n\n"
            f"fn f(s: S, x: f32) -> f32:\n    var y = x\n{body}    return y\n\n"
            "proc main(x: f32 = 0.5):\n    print(grad(x => f(B(x, 2.0), x))(x))\n")


def calls_gradient(n: int) -> str:
    """The derivative of a chain of functions, each called twice."""
    body = "".join(f"fn f{i + 1}(x: f32) -> f32:\n    if x > {i}.0:\n        return f{i}(sin(x)) * x\n    return f{i}(x) + {i % 7}.5\n\n"
                   for i in range(n))
    return f"fn f0(x: f32) -> f32:\n    return x * x\n\n{body}proc main(x: f32 = 0.5):\n    print(grad(f{n})(x))\n"


def prints(n: int) -> str:
    """A procedure of many effects."""
    body = "".join(f'    print("line {i}", x + {i}.0)\n' for i in range(n))
    return f"proc main(x: f32 = 0.5):\n{body}"


def calls(n: int) -> str:
    """A chain of functions, each called by the next."""
    body = "".join(f"fn f{i + 1}(x: f32) -> f32:\n    return f{i}(x) * 0.5 + 1.0\n\n" for i in range(n))
    return f"fn f0(x: f32) -> f32:\n    return x\n\n{body}proc main(x: f32 = 0.5):\n    print(f{n}(x))\n"


def long_sum(n: int) -> str:
    """One expression of many terms."""
    return "fn f(x: f32) -> f32:\n    return " + " + ".join(["x"] * n) + "\n\nproc main(x: f32 = 0.5):\n    print(f(x))\n"


def sum_gradient(n: int) -> str:
    """The derivative of one expression of many terms."""
    return "fn f(x: f32) -> f32:\n    return " + " + ".join(["x"] * n) + "\n\nproc main(x: f32 = 0.5):\n    print(grad(f)(x))\n"


def text_sum(n: int) -> str:
    """One string of many pieces."""
    return "proc main(word: str = \"a\"):\n    print(len(" + " + ".join(["word"] * n) + "))\n"


def arms(n: int) -> str:
    """A sum type of many constructors, and a match on each."""
    alternatives = "".join(f"    C{i}(x: f32)\n" for i in range(n))
    cases = "".join(f"        C{i}(x):\n            return x + {i}.0\n" for i in range(n))
    return (f"type T:\n{alternatives}\nfn f(t: T) -> f32:\n    match t:\n{cases}\n"
            f"fn g(x: f32) -> f32:\n    return f(C{n - 1}(x))\n\nproc main(x: f32 = 0.5):\n    print(g(x))\n")


def arm_gradient(n: int) -> str:
    """The derivative through a match of many cases."""
    return arms(n).replace("print(g(x))", "print(grad(g)(x))")


def literal_arms(n: int) -> str:
    """A match on many numbers."""
    cases = "".join(f"        {i}:\n            return {(i * 7) % 101}\n" for i in range(n))
    return f"fn f(k: int) -> int:\n    match k:\n{cases}        _:\n            return -1\n\nproc main(k: int = 3):\n    print(f(k))\n"


def elifs(n: int) -> str:
    """A chain of conditions."""
    chain = "".join(f"    elif k == {i}:\n        return x * {i}.0\n" for i in range(1, n))
    return (f"fn f(x: f32, k: int) -> f32:\n    if k == 0:\n        return x\n{chain}    else:\n        return -x\n\n"
            f"proc main(k: int = 3):\n    print(f(0.5, k))\n")


def elif_gradient(n: int) -> str:
    """The derivative through a chain of conditions."""
    return elifs(n).replace("print(f(0.5, k))", "print(grad(f)(0.5, k))")


def ifs(n: int) -> str:
    """Many conditions in a row, with a variable that crosses them."""
    body = "".join(f"    if x > {i}.0:\n        y += x * {i}.0\n" for i in range(n))
    return f"fn f(x: f32) -> f32:\n    var y = 0.0\n{body}    return y\n\nproc main(x: f32 = 3.5):\n    print(f(x))\n"


def mutual(n: int) -> str:
    """Functions that all call each other in a ring, and the derivative through it."""
    body = "".join(
        f"fn f{i}(x: f32, k: int) -> f32:\n    if k == 0:\n        return x * {i}.5\n"
        f"    return sin(f{(i + 1) % n}(x, k - 1)) + f{(i * 7 + 3) % n}(x, k // 2 - k // 2)\n\n" for i in range(n))
    return f"{body}proc main(x: f32 = 0.5):\n    print(f0(x, 5), grad(f0)(x, 5))\n"


def fields(n: int) -> str:
    """A record of many fields, updated and differentiated."""
    declared = "".join(f"    a{i}: f32\n" for i in range(n))
    values = ", ".join(f"a{i}={i}.0" for i in range(n))
    used = " + ".join(f"r.a{i} * r.a{i}" for i in range(0, n, 2))
    return (f"record R:\n{declared}\nfn f(r: R) -> f32:\n    return {used}\n\n"
            f"proc main():\n    let r = R({values})\n    let g = grad(f)(r)\n    print(f(r), g.a0)\n")


def parameters(n: int) -> str:
    """A function of many parameters."""
    named = ", ".join(f"a{i}: f32" for i in range(n))
    values = ", ".join(f"x + {i}.0" for i in range(n))
    used = " + ".join(f"a{i}" for i in range(n))
    return f"fn f({named}) -> f32:\n    return {used}\n\nproc main(x: f32 = 0.5):\n    print(f({values}))\n"


def lambdas(n: int) -> str:
    """Many functions as values in one list."""
    body = "".join(f"    fs.push(y => y * {i}.0 + x)\n" for i in range(n))
    return (f"fn all(x: f32) -> f32:\n    var fs: List<f32 -> f32> = List()\n{body}    var total = 0.0\n"
            f"    for f in fs:\n        total += f(x)\n    return total\n\nproc main(x: f32 = 0.5):\n    print(all(x), grad(all)(x))\n")


def loops(n: int) -> str:
    """Many loops in a row."""
    body = "".join(f"    for i in n:\n        y[i] += x[i] * {k}.0\n" for k in range(n))
    return (f"fn f<n>(x: f32[n]) -> f32[n]:\n    var y = x\n{body}    return y\n\n"
            f"proc main(x: f32 = 0.5):\n    print(f([x, x]))\n")


def instances(n: int) -> str:
    """One generic function at many types."""
    records = "".join(f"record R{i}:\n    a: f32\n    b: f32[{i % 7 + 1}]\n\n" for i in range(n))
    body = "".join(f"    total += first(R{i}(a=x, b=ones({i % 7 + 1}))).a\n" for i in range(n))
    return (f"{records}fn first<A>(x: A) -> A:\n    let y = x\n    return y\n\n"
            f"proc main(x: f32 = 0.5):\n    var total = 0.0\n{body}    print(total)\n")


def tests(n: int) -> str:
    """Many tests."""
    body = "".join(f'test "number {i}":\n    assert close(f({i}.0), {2 * i}.0)\n\n' for i in range(n))
    return f"fn f(x: f32) -> f32:\n    return x + x\n\n{body}"


def numbers(n: int) -> str:
    """An array written out."""
    values = ", ".join(f"{i}.5" for i in range(n))
    return f"let table = [{values}]\n\nproc main():\n    print(sum(table))\n"


def words(n: int) -> str:
    """Long strings, and many of them."""
    values = ", ".join(f'"word {i}"' for i in range(n))
    return f"proc main():\n    let words = [{values}]\n    print(len(words), len(\"{'long ' * n}\"))\n"


def sizes(n: int) -> str:
    """A function of many size parameters."""
    named = ", ".join(f"n{i}" for i in range(n))
    taken = ", ".join(f"x{i}: f32[n{i}]" for i in range(n))
    total = " + ".join(f"n{i}" for i in range(n))
    given = ", ".join(f"ones({i % 3 + 1})" for i in range(n))
    return f"fn f<{named}>({taken}) -> f32[{total}]:\n    return zeros({total})\n\nproc main():\n    print(len(f({given})))\n"


def powers(n: int) -> str:
    """A size that is multiplied out: 2**n terms when naive."""
    product = " * ".join(f"(n{i} + 1)" for i in range(n))
    named = ", ".join(f"n{i}" for i in range(n))
    taken = ", ".join(f"x{i}: f32[n{i}]" for i in range(n))
    given = ", ".join("ones(1)" for i in range(n))
    return f"fn f<{named}>({taken}) -> int:\n    let size = {product}\n    let x: f32[size] = zeros(size)\n    return len(x)\n\n" \
           f"proc main():\n    print(f({given}))\n"


def brackets(n: int) -> str:
    """Deep nesting."""
    return f"proc main(x: f32 = 0.5):\n    print({'(' * n}x{' + 1.0)' * n})\n"


def bool_patterns(n: int) -> str:
    """A match whose decision tree may double with each column."""
    named = ", ".join(f"a{i}: B" for i in range(n))
    values = ", ".join(f"a{i}" for i in range(n))
    cases = "".join(
        "        " + ", ".join("Yes" if j == i else "No" if j == (i + 1) % n else "_" for j in range(n)) + f":\n            return {i}\n"
        for i in range(n))
    rest = "        " + ", ".join("_" * n) + ":\n            return -1\n"
    given = ", ".join("Yes" if i % 2 else "No" for i in range(n))
    return f"type B:\n    Yes\n    No\n\nfn f({named}) -> int:\n    match {values}:\n{cases}{rest}\nproc main():\n    print(f({given}))\n"


FAMILIES: dict[str, tuple[Callable[[int], str], int]] = {
    "statements": (statements, 20_000),
    "array statements": (array_statements, 2_000),
    "assignments": (assignments, 20_000),
    "straight gradient": (straight_gradient, 3_000),
    "prints": (prints, 2_000),
    "calls": (calls, 2_000),
    "long sum": (long_sum, 100_000),
    "sum gradient": (sum_gradient, 10_000),
    "text sum": (text_sum, 5_000),
    "arms": (arms, 1_000),
    "arm gradient": (arm_gradient, 1_000),
    "literal arms": (literal_arms, 1_000),
    "elifs": (elifs, 1_000),
    "elif gradient": (elif_gradient, 500),
    "ifs": (ifs, 1_000),
    "mutual recursion": (mutual, 500),
    "fields": (fields, 500),
    "parameters": (parameters, 500),
    "lambdas": (lambdas, 300),
    "loops": (loops, 500),
    "instances": (instances, 500),
    "tests": (tests, 1_000),
    "numbers": (numbers, 100_000),
    "words": (words, 3_000),
    "sizes": (sizes, 300),
    "powers": (powers, 40),
    "brackets": (brackets, 450),
    "bool patterns": (bool_patterns, 30),
}
"""Each family with the number of parts that must stay within 10 s and 2 GB, or end in a clear "limit reached"."""


# ---------------------------------------------------------------- a few lines that mean something huge

def _doubling(declarations: str, step: str, start: str = "1.5", times: int = 64) -> str:
    body = "".join(f"    let x{i + 1} = {step.format(x=f'x{i}')}\n" for i in range(times))
    return f"{declarations}\nproc main():\n    let x0 = {start}\n{body}    print(1)\n"


def _aliases(times: int = 64) -> str:
    made = "".join(f"type P{i + 1} = (P{i}, P{i})\n" for i in range(times))
    return f"type P0 = f32\n{made}\nfn f(x: P{times}) -> f32:\n    return 1.0\n\nproc main():\n    print(1)\n"


def _generic_chain(times: int = 64) -> str:
    made = "".join(f"fn f{i + 1}<A>(x: A, k: int) -> int:\n    return f{i}((x, x), k)\n\n" for i in range(times))
    return f"fn f0<A>(x: A, k: int) -> int:\n    return k\n\n{made}proc main():\n    print(f{times}(1.5, 2))\n"


def _two_instances(times: int = 40) -> str:
    made = "".join(f"fn f{i + 1}<A>(x: A, k: int) -> int:\n    return f{i}((x, 1), k) + f{i}((1, x), k)\n\n" for i in range(times))
    return f"fn f0<A>(x: A, k: int) -> int:\n    return k\n\n{made}proc main():\n    print(f{times}(1.5, 2))\n"


LIMITS: dict[str, str] = {
    "tuple": _doubling("fn d<A>(x: A) -> (A, A):\n    return (x, x)\n", "d({x})"),
    "tuple in place": _doubling("", "({x}, {x})"),
    "record": _doubling("record Two<A>:\n    a: A\n    b: A\n\nfn d<A>(x: A) -> Two<A>:\n    return Two(a=x, b=x)\n", "d({x})"),
    "record of unknown sizes": _doubling("record Two<A>:\n    a: A\n    b: A\n\nfn d<A>(x: A) -> Two<A>:\n    return Two(a=x, b=x)\n\n"
                                         "record U:\n    x: f32[?]\n", "d({x})", "U(x=[1.5])"),
    "sum type": _doubling("type Two<A>:\n    Both(a: A, b: A)\n    None\n\nfn d<A>(x: A) -> Two<A>:\n    return Both(x, x)\n", "d({x})"),
    "sum of sums": _doubling("type Two<A, B>:\n    Left(a: A)\n    Right(b: B)\n\nfn d<A>(x: A) -> Two<A, A>:\n    return Left(x)\n",
                             "d({x})"),
    "list": _doubling("fn d<A>(x: A) -> List<(A, A)>:\n    var l: List<(A, A)> = List()\n    l.push((x, x))\n    return l\n", "d({x})"),
    "array": _doubling("fn d<A>(x: A) -> (A, A)[2]:\n    return [(x, x), (x, x)]\n", "d({x})"),
    "function": _doubling("fn d<A>(f: A -> A) -> ((A, A) -> (A, A)):\n    return x => x\n", "d({x})", "(y: f32) => y"),
    "closure": _doubling("fn d<A>(f: int -> A) -> (int -> (A, A)):\n    return k => (f(k), f(k))\n", "d({x})", "(k: int) => 1.5"),
    "tangent": _doubling("fn d<A>(x: A) -> (A, A):\n    return (x, x)\n", "grad(y => 1.0 * y)(1.5) if false else 1.5", times=3)
    + "\nfn g<A>(x: A) -> Tangent<(A, A)>:\n    return g(x)\n",
    "sizes": _doubling("fn d<n>(x: f32[n]) -> f32[2*n]:\n    return concat(x, x)\n", "d({x})", "[1.5]", 70),
    "axes": _doubling("fn d<A>(x: A) -> A[2]:\n    return [x, x]\n", "d({x})"),
    "aliases": _aliases(),
    "generic chain": _generic_chain(),
    "two instances": _two_instances(),
    "polymorphic recursion": "fn f<A>(x: A, k: int) -> int:\n    if k == 0:\n        return 0\n    return f((x, x), k - 1)\n\n"
                             "proc main():\n    print(f(1.5, 3))\n",
    "mutual polymorphic recursion": "fn f<A>(x: A, k: int) -> int:\n    return 0 if k == 0 else g([x, x], k - 1)\n\n"
                                    "fn g<A>(x: A, k: int) -> int:\n    return f((x, 1), k)\n\nproc main():\n    print(f(1.5, 3))\n",
    "record that nests itself": "record R<A>:\n    x: List<R<(A, A)>>\n\nproc main():\n    let r: R<int> = R(x=List())\n    print(1)\n",
    "sum that nests itself": "type T<A>:\n    Leaf(x: A)\n    Node(t: T<(A, A)>)\n\n"
                             "proc main():\n    let r: T<int> = Leaf(1)\n    print(1)\n",
    "higher derivatives": "fn f(x: f32) -> f32:\n    return sin(x) * exp(x) * tanh(x)\n\nproc main():\n    print("
                          + "grad(" * 20 + "f" + ")" * 20 + "(0.5))\n",
    "huge array": "proc main():\n    let x: f32[1152921504606846976] = zeros(1152921504606846976)\n    print(x[0])\n",
    "huge size": "fn f<n>(x: f32[n]) -> f32[n * 9223372036854775807]:\n    return zeros(n * 9223372036854775807)\n\n"
                 "proc main():\n    print(len(f([1.0, 2.0])))\n",
    "huge comprehension": "let table = [f32(i) for i in 4000000000000]\n\nproc main():\n    print(table[0])\n",
    "huge integer": f"proc main():\n    let x = {'9' * 20_000}\n    print(x)\n",
    "huge float": f"proc main():\n    let x = {'9' * 20_000}.5e3\n    print(x)\n",
    "huge power": "fn f<n>(x: f32[n]) -> f32[n ** 9]:\n    return zeros(n ** 9)\n\n"
                  "proc main():\n    let k = 7 ** 999999999\n    print(k)\n",
    "constants": "".join(f"let c{i + 1} = c{i} + c{i}\n" for i in range(64)).join(["let c0 = 1\n", "\nproc main():\n    print(c64)\n"]),
    "deep brackets": brackets(5_000),
    "deep blocks": "proc main(k: int = 1):\n" + "".join(f"{'    ' * (i + 1)}if k > {i}:\n" for i in range(600))
                   + "    " * 601 + "print(k)\n",
    "deep types": f"fn f(x: {'(' * 600}f32{', f32)' * 600}) -> f32:\n    return 1.0\n\nproc main():\n    print(1)\n",
    "long name": f"proc main():\n    let {'x' * 100_000} = 1\n    print({'x' * 100_000})\n",
    "long line": f"proc main():\n    print(1)  # {'comment ' * 200_000}\n",
}
"""Programs that must end within 10 s and 2 GB: with their answer, or with an error that says what grew."""
