# pyright: reportMissingImports=false
"""The charged particle in JAX, compiled; a `while_loop` has no derivative in reverse mode there."""

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


def miss(gradient: Any, w: Any) -> Any:
    """The squared distance from the origin where the particle crosses the axis."""
    charges = jnp.stack([jnp.stack([10.0, 10.0 - w]), jnp.array([10.0, 0.0])])

    def potential(x: Any) -> Any:
        return jnp.sum(1.0 / jnp.sqrt(jnp.sum((x - charges) ** 2, axis=1)))

    def step(state: Any) -> Any:
        x, v, _ = state
        return x + 0.1 * v, v - 0.1 * gradient(potential, x), v

    start = (jnp.array([0.0, 8.0]), jnp.array([0.75, 0.0]), jnp.array([0.75, 0.0]))
    x, _, v = jax.lax.while_loop(lambda state: state[0][1] > 0, step, start)
    return (x[0] - x[1] / v[1] * v[0]) ** 2


def programs(inputs: dict[str, Any]) -> tuple[Any, ...]:
    w = jnp.asarray(inputs["w"])

    def particle(inner: Any) -> Any:
        return jax.jit(lambda w: descent(forward, lambda at: miss(inner, at[0]), w[None])[0])

    ff, fr = particle(forward), particle(reverse)
    return lambda: (jax.block_until_ready(ff(w)),), lambda: (jax.block_until_ready(fr(w)),), None, None
