# pyright: reportMissingImports=false
"""The Runge-Kutta method in JAX: a compiled loop."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def objective(x: Any, steps: int) -> Any:
    h = 2.0 / steps

    def slope(y: Any) -> Any:
        return x * jnp.concatenate([jnp.ones(1), y[:-1]])

    def step(_: int, y: Any) -> Any:
        k1 = slope(y)
        k2 = slope(y + h / 2 * k1)
        k3 = slope(y + h / 2 * k2)
        k4 = slope(y + h * k3)
        return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)

    return jax.lax.fori_loop(0, steps, step, jnp.zeros_like(x))


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    x, steps = jnp.asarray(inputs["x"]), int(inputs["steps"])
    value = jax.jit(objective, static_argnums=1)
    slope = jax.jit(jax.grad(lambda x, steps: objective(x, steps)[-1]), static_argnums=1)
    return lambda: (jax.block_until_ready(value(x, steps)),), lambda: (jax.block_until_ready(slope(x, steps)),)
