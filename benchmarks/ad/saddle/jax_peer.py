# pyright: reportMissingImports=false
"""Gradient descent through gradient descent in JAX, compiled; a `while_loop` has no derivative in reverse mode there."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def descent(gradient: Any, f: Any, start: Any) -> Any:
    """Gradient descent whose step doubles after ten successes and halves after a failure."""
    def going(state: Any) -> Any:
        return ~state[5]

    def step(state: Any) -> Any:
        x, lowest, slope, rate, successes, _ = state
        then = x - rate * slope
        value = f(then)
        doubled = successes == 10
        near = jnp.sqrt(jnp.sum((then - x) ** 2)) <= 1e-5
        ends = (jnp.sqrt(jnp.sum(slope * slope)) <= 1e-5) | (~doubled & near)
        better = value < lowest

        def same() -> Any:
            return x, lowest, slope, jnp.where(doubled, 2 * rate, rate), jnp.where(doubled, 0, successes), ends

        def moved() -> Any:
            return jax.lax.cond(better, lambda: (then, value, gradient(f, then), rate, successes + 1, ends),
                                lambda: (x, lowest, slope, rate / 2, 0, ends))

        return jax.lax.cond(ends | doubled, same, moved)

    return jax.lax.while_loop(going, step, (start, f(start), gradient(f, start), 1e-5, 0, False))[0]


def forward(f: Any, x: Any) -> Any:
    return jax.jacfwd(f)(x)


def reverse(f: Any, x: Any) -> Any:
    return jax.grad(f)(x)


def objective(x: Any, y: Any) -> Any:
    return x @ x - y @ y


def saddle(inner: Any) -> Any:
    def found(start: Any) -> Any:
        def highest(x: Any) -> Any:
            return objective(x, descent(inner, lambda y: -objective(x, y), start))

        x = descent(forward, highest, start)
        return jnp.concatenate((x, descent(forward, lambda y: -objective(x, y), start)))
    return jax.jit(found)


def programs(inputs: dict[str, Any]) -> tuple[Any, ...]:
    start = jnp.asarray(inputs["start"])
    ff, fr = saddle(forward), saddle(reverse)
    return lambda: (jax.block_until_ready(ff(start)),), lambda: (jax.block_until_ready(fr(start)),), None, None
