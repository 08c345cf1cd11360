"""Functions that nothing outside calls, nor anything that is called from there, are left out.

Law: what is called from outside (the roots of the module) does the same. A module of unknown roots is left as it is.

Before:

    roots @f

    func @twice(%x: f32) -> (f32) {
      %y: f32 = add %x, %x
      return %y
    }

    func @f(%x: f32) -> (f32) {
      %y: f32 = mul %x, %x
      return %y
    }

After:

    roots @f

    func @f(%x: f32) -> (f32) {
      %y: f32 = mul %x, %x
      return %y
    }
"""

from __future__ import annotations

from dynlang.ssa.build import reached_from
from dynlang.ssa.nodes import Module


def drop_functions(module: Module) -> Module:
    return reached_from(module, module.roots) if module.roots else module
