# pyright: reportMissingImports=false
"""The objective of least squares in JAX, all points side by side."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def objective(x: Any, n: int) -> Any:
    t = -1.0 + 2.0 * jnp.arange(n) / (n - 1)
    powers = jnp.cumprod(jnp.tile(t, (len(x) - 1, 1)), axis=0)
    y = x[0] + x[1:] @ powers
    return jnp.sum((jnp.sign(t) - y) ** 2) / 2.0


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    x, n = jnp.asarray(inputs["x"]), int(inputs["n"])
    value, slope = jax.jit(objective, static_argnums=1), jax.jit(jax.grad(objective), static_argnums=1)
    return lambda: (jax.block_until_ready(value(x, n)),), lambda: (jax.block_until_ready(slope(x, n)),)
