"""Machines that code is made for, and the two steps that need LLVM: text to object code, object code into this process.

Multiply-add, vector width and tiles are decided here, once per target, so that the bits of a result depend on the
target alone and never on the optimisation level. LLVM's vectorisers and unroller stay off: the code generator writes
vectors itself, and compiling is three times as fast.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """One kind of machine. `tile` is the register tile of matrix products: rows, and vectors of 64 bytes across."""

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    has_fma: bool
    has_rounding: bool = True
    tile: tuple[int, int] = (6, 1)
    abi: str = ""

    @property
    def is_macos(self) -> bool:
        """Whether the operating system is Apple's."""
        return "apple" in self.triple or "darwin" in self.triple

    @property
    def is_little_endian(self) -> bool:
        """Whether the lowest byte of a number comes first."""
        return not self.triple.startswith(("powerpc64-", "s390x", "armeb", "aarch64_be", "mips-", "mips64-"))

    def lanes(self, scalar: str) -> int:
        """Lanes of one vector register: `lanes("float")` is 8 where vectors have 32 bytes."""
        return max(1, self.vector_bytes // {"float": 4, "i32": 4, "double": 8, "i64": 8, "half": 2, "i8": 1, "i1": 1}[scalar])


X86_64 = Target("x86_64-unknown-linux-gnu", "x86-64", "", 16, has_fma=False, has_rounding=False, tile=(2, 1))
X86_64_V3 = Target("x86_64-unknown-linux-gnu", "x86-64-v3", "", 32, has_fma=True)
X86_64_V4 = Target("x86_64-unknown-linux-gnu", "x86-64-v4", "", 64, has_fma=True, tile=(8, 2))
AARCH64 = Target("aarch64-unknown-linux-gnu", "generic", "", 16, has_fma=True, tile=(4, 1))
RISCV64 = Target(
    "riscv64-unknown-linux-gnu", "generic-rv64", "+m,+a,+f,+d,+c", 16, has_fma=True, has_rounding=False, tile=(2, 1), abi="lp64d"
)
WASM32 = Target("wasm32-wasi", "generic", "+simd128", 16, has_fma=False, tile=(2, 1))


@functools.cache
def host() -> Target:
    """The machine this process runs on."""
    binding = _binding()
    triple = binding.get_process_triple()
    present = {name for name, there in binding.get_host_cpu_features().items() if there}
    features = binding.get_host_cpu_features().flatten()
    cpu = binding.get_host_cpu_name()
    if triple.startswith("x86_64"):
        fused = "fma" in present and "avx2" in present
        width = 64 if "avx512f" in present else 32 if "avx2" in present else 16
        tile = {64: (8, 2), 32: (6, 1), 16: (2, 1)}[width]
        return Target(triple, cpu, features, width, has_fma=fused, has_rounding="sse4.1" in present, tile=tile)
    fused = triple.startswith(("aarch64", "arm64"))
    return Target(triple, cpu, features, 16, has_fma=fused, has_rounding=fused, tile=(4, 1) if fused else (2, 1))


OPTIONS = ("-disable-post-ra",)
"""The second scheduler looks at each load and store beside a thousand others, and processors order instructions themselves."""


@functools.cache
def _binding() -> Any:
    import llvmlite.binding as binding

    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    for option in OPTIONS:
        binding.set_option("dync", option)
    return binding


@functools.lru_cache(maxsize=16)
def _machine(target: Target, optimisation: int) -> Any:
    binding = _binding()
    extra = {"abiname": target.abi} if target.abi else {}
    return binding.Target.from_triple(target.triple).create_target_machine(
        cpu=target.cpu, features=target.features, opt=optimisation, reloc="pic", codemodel="default", **extra
    )


def _optimised(ir_text: str, target: Target, optimisation: int) -> tuple[Any, Any]:
    binding = _binding()
    machine = _machine(target, optimisation)
    module = binding.parse_assembly(ir_text)
    module.triple = target.triple
    module.data_layout = str(machine.target_data)
    module.verify()
    tuning = binding.create_pipeline_tuning_options(speed_level=optimisation)
    tuning.loop_vectorization = True  # of the loops that `emit.py` leaves to it
    tuning.slp_vectorization = False
    tuning.loop_unrolling = tuning.loop_interleaving = False
    builder = binding.create_pass_builder(machine, tuning)
    builder.getModulePassManager().run(module, builder)
    return module, machine


def compile_object(ir_text: str, target: Target, optimisation: int = 2) -> bytes:
    """Object code (ELF, Mach-O or wasm, by the target's triple). Raises RuntimeError, with LLVM's words, for IR that is not valid."""
    module, machine = _optimised(ir_text, target, optimisation)
    return machine.emit_object(module)


def compile_assembly(ir_text: str, target: Target, optimisation: int = 2) -> str:
    """The assembly text of what `compile_object` makes."""
    module, machine = _optimised(ir_text, target, optimisation)
    return machine.emit_assembly(module)


@dataclass(slots=True)
class Loaded:
    """Object code living in this process. Keep it alive as long as any of its addresses is used."""

    name: str
    addresses: Mapping[str, int]
    _library: Any = field(repr=False)

    def __getitem__(self, symbol: str) -> int:
        return self.addresses[symbol]

    def close(self) -> None:
        """Unload the code."""
        self.addresses = {}
        self._library = None


_names = itertools.count()


@functools.cache
def _jit() -> Any:
    binding = _binding()
    machine = binding.Target.from_triple(binding.get_process_triple()).create_target_machine(
        opt=2, jit=True, reloc="pic", codemodel="default"
    )
    return binding.create_lljit_compiler(machine)


def load(object_bytes: bytes, exports: Iterable[str], imports: Mapping[str, int] | None = None, libraries: Iterable[Loaded] = ()) -> Loaded:
    """Link object code into this process. `imports` gives addresses of symbols, `libraries` are searched first; then the process itself."""
    name = f"dyn{next(_names)}"
    builder = _binding().JITLibraryBuilder().add_object_img(object_bytes)
    for library in libraries:
        builder.add_jit_library(library.name)
    builder.add_current_process()
    for symbol, address in (imports or {}).items():
        builder.import_symbol(symbol, address)
    names = list(exports)
    for symbol in names:
        builder.export_symbol(symbol)
    library = builder.link(_jit(), name)
    return Loaded(name, {symbol: library[symbol] for symbol in names}, library)
