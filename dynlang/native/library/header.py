"""The C header of a library: C99, and C++17 by `extern "C"`."""

from __future__ import annotations

from collections.abc import Sequence

from dynlang.core.nodes import Constructor
from dynlang.native.library.glue import ABI_VERSION, builder_sizes
from dynlang.native.library.interface import C_TYPES, Export, Interface, Part
from dynlang.native.lower.layout import of_core
from dynlang.runtime.context import ErrorCode
from dynlang.ssa.nodes import Array, Box, Scalar, String

RESERVED = """alignas alignof and asm auto bool break case catch char class const continue default delete do double else enum explicit
export extern false float for friend goto if inline int long mutable namespace new operator or private protected public register
restrict return short signed sizeof static struct switch template this throw true try typedef union unsigned using virtual void
volatile while context"""
KEYWORDS = frozenset(RESERVED.split())


def header_text(interface: Interface) -> str:
    """The whole header."""
    stem = interface.stem
    guard = f"{stem.upper()}_H"
    parts = [_opening(interface, guard), _context(stem)]
    parts += [_record(stem, name) for name in interface.records]
    parts += [_sum(interface, name) for name in interface.sums]
    parts += [_export(stem, one) for one in interface.exports]
    parts.append(f"#ifdef __cplusplus\n}}\n#endif\n\n#endif /* {guard} */\n")
    return "\n".join(parts)


def _opening(interface: Interface, guard: str) -> str:
    stem = interface.stem
    codes = "\n".join(f"#define {stem.upper()}_{code.name} {int(code)}" for code in ErrorCode)
    handles = "\n".join(f"typedef struct {stem}_{name} {stem}_{name};" for name in [*interface.records, *interface.sums])
    return f"""/* {stem}: made by dync. Every function that gives an int32_t gives an error code: 0, or one of these.
 *
 * A context owns all memory, and the text of the last error; one thread at a time may use it. Arrays belong to the caller and
 * are in row-major order. Results are written only where the code is 0. After an error the memory of the call that failed is
 * held until the context is destroyed. */
#ifndef {guard}
#define {guard}

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{codes}
#define {stem.upper()}_ABI_VERSION {ABI_VERSION}

typedef struct {stem}_context {stem}_context;
{handles}
"""


def _context(stem: str) -> str:
    context = f"{stem}_context *context"
    return f"""/* Null where memory is out. */
{stem}_context *{stem}_create(void);
void {stem}_destroy({context});

/* The text of the last error, with its line in the source; and that line alone (0: unknown). */
const char *{stem}_error(const {context});
int32_t {stem}_error_line(const {context});

/* Blocks of memory that are still owned by somebody: 0 when every handle is freed. */
int64_t {stem}_live_blocks(const {context});

/* How many bytes of the calling thread's stack a call may use (1 MiB unless set); recursion beyond is an error. */
void {stem}_set_stack({context}, int64_t bytes);

/* From another thread or a signal handler: ask the running call to end with {stem.upper()}_CANCELLED. */
void {stem}_cancel({context});

int32_t {stem}_abi_version(void);
"""


def _record(stem: str, name: str) -> str:
    return f"void {stem}_{name}_free({stem}_context *context, {stem}_{name} *handle);\n"


def _sum(interface: Interface, name: str) -> str:
    """Builders take over the values of sum types that they are given."""
    stem, declaration = interface.stem, interface.sums[name]
    kind = f"{stem}_{name}"
    lines = [f"/* Values of {name}. A builder takes over the handles that it is given; `tag` counts the constructors from 0. */"]
    lines += [_builder(stem, name, declaration.sizes, one) for one in declaration.constructors]
    lines += [f"void {kind}_{word}({stem}_context *context, {kind} *value);" for word in ("retain", "release")]
    lines.append(f"int64_t {kind}_tag(const {kind} *value);")
    return "\n".join(lines) + "\n"


def _builder(stem: str, name: str, sizes: Sequence[str], constructor: Constructor) -> str:
    parameters = [f"{stem}_context *context", *(f"int64_t {c_name(one)}" for one in builder_sizes(sizes, constructor))]
    for one in constructor.fields:
        match of_core(one.type):
            case Scalar(dtype):
                parameters.append(f"{C_TYPES[dtype]} {c_name(one.name)}")
            case Array(Scalar(dtype), _):
                parameters.append(f"const {C_TYPES[dtype]} *{c_name(one.name)}")
            case Box(sum):
                parameters.append(f"{stem}_{sum} *{c_name(one.name)}")
            case String():
                parameters.append(f"const char *{c_name(one.name)}")
    return f"int32_t {stem}_{name}_{constructor.name}({', '.join(parameters)}, {stem}_{name} **result);"


def c_name(name: str) -> str:
    """A parameter's name that C and C++ accept."""
    return name + "_" if name in KEYWORDS else name


def _export(stem: str, export: Export) -> str:
    parameters = [f"{stem}_context *context", *(f"int64_t {c_name(one)}" for one in export.given)]
    parameters += [_parameter(stem, one) for one in export.parameters]
    parameters += [_result(stem, one) for one in export.results]
    comment = [line.strip() for line in export.documentation.strip().splitlines()]
    shapes = [f"{one.name}: {', '.join(map(str, one.shape))}" for one in (*export.parameters, *export.results) if one.kind == "array"]
    comment += [f"Sizes: {'; '.join(shapes)}."] if shapes else []
    text = "\n * ".join(line.replace("*/", "* /") for line in comment)
    return (f"/* {text} */\n" if text else "") + f"int32_t {stem}_{export.name}({', '.join(parameters)});\n"


def _parameter(stem: str, part: Part) -> str:
    name = c_name(part.name)
    const = "" if part.inout else "const "
    match part.kind:
        case "scalar":
            return f"{C_TYPES[part.dtype]} {'*' if part.inout else ''}{name}"
        case "array":
            return f"{const}{C_TYPES[part.dtype]} *{name}"
        case "text":
            return f"const char *{name}"
        case "sum":
            return f"{stem}_{part.type_name} **{name}" if part.inout else f"const {stem}_{part.type_name} *{name}"
    return f"{const}{stem}_{part.type_name} *{name}"


def _result(stem: str, part: Part) -> str:
    name = c_name(part.name)
    if part.kind in ("scalar", "array"):
        return f"{C_TYPES[part.dtype]} *{name}"
    return f"{stem}_{part.type_name} **{name}"
