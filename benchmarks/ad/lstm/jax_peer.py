# pyright: reportMissingImports=false
"""The diagonal LSTM in JAX: a scan over the characters, another over the layers, compiled."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def loss(unknown: Any, state: Any, sequence: Any) -> Any:
    main, extra = unknown
    layers, b = len(state) // 2, sequence.shape[1]
    weights = main.reshape(layers, 2, 4 * b)

    def layer(x: Any, given: Any) -> Any:
        (weight, bias), (hidden, cell) = given
        gates = jnp.concatenate((x, hidden, x, hidden)) * weight + bias
        forget, enter, leave = jax.nn.sigmoid(gates[:3 * b].reshape(3, b))
        cell = cell * forget + enter * jnp.tanh(gates[3 * b:])
        hidden = leave * jnp.tanh(cell)
        return hidden, jnp.stack((hidden, cell))

    def character(states: Any, given: Any) -> Any:
        now, following = given
        x, states = jax.lax.scan(layer, now * extra[0], (weights, states), unroll=layers)
        y = x * extra[1] + extra[2]
        return states, jnp.sum(following * (y - jnp.log(2 + jnp.sum(jnp.exp(y)))))

    _, found = jax.lax.scan(character, state.reshape(layers, 2, b), (sequence[:-1], sequence[1:]))
    return -jnp.sum(found) / ((len(sequence) - 1) * b)


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    unknown = jnp.asarray(inputs["main"]), jnp.asarray(inputs["extra"])
    rest = jnp.asarray(inputs["state"]), jnp.asarray(inputs["sequence"])
    value, slope = jax.jit(loss), jax.jit(jax.grad(loss))
    return lambda: (value(unknown, *rest).block_until_ready(),), lambda: jax.block_until_ready(slope(unknown, *rest))
