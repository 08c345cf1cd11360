# pyright: reportMissingImports=false
"""Hand tracking in JAX: bones stacked, the chains unrolled, all directions of the Jacobian mapped side by side, compiled."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

BENDING = np.array([4 * finger + joint for finger in range(5) for joint in (2, 3, 4)])


def turn(angles: Any, first: int, second: int) -> Any:
    """Rotations from one axis to another, homogeneous, one for each angle."""
    plane, across = np.zeros((2, 4, 4))
    plane[first, first] = plane[second, second] = 1.0
    across[second, first], across[first, second] = 1.0, -1.0
    angles = angles[:, None, None]
    return np.eye(4) - plane + jnp.cos(angles) * plane + jnp.sin(angles) * across


def rotation(axis: Any) -> Any:
    angle = jnp.sqrt(axis @ axis)
    x, y, z = axis / angle
    across = jnp.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return jnp.eye(3) + jnp.sin(angle) * across + (1.0 - jnp.cos(angle)) * across @ across


def errors_of(parents: np.ndarray) -> Any:
    """The errors of hands whose bones have these parents."""

    def errors(us: Any, theta: Any, relative: Any, inverse: Any, positions: Any, weights: Any, corners: Any, points: Any) -> Any:
        fingers = theta[6:].reshape(5, 4)
        bend = jnp.zeros(len(parents)).at[BENDING].set(fingers[:, jnp.array([0, 2, 3])].ravel())
        spread = jnp.zeros(len(parents)).at[BENDING[::3]].set(fingers[:, 1])
        own = relative @ turn(spread, 0, 1) @ turn(bend, 1, 2)
        frames: list[Any] = []
        for i, parent in enumerate(parents):
            frames.append(own[i] if parent == i else frames[parent] @ own[i])
        transforms = (jnp.stack(frames) @ inverse)[:, :3]
        skin = jnp.einsum("vb,bij,vj->vi", weights, transforms, positions)
        skin = skin @ rotation(theta[:3]).T + theta[3:6]
        shares = jnp.concatenate((us, 1.0 - us.sum(axis=1, keepdims=True)), axis=1)
        return points - jnp.einsum("ck,cki->ci", shares, skin[corners])

    return errors


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    names = ("us", "theta", "relative", "inverse", "positions", "weights", "corners", "points")
    us, theta, *rest = (jnp.asarray(inputs[name]) for name in names)
    errors = errors_of(inputs["parents"])
    directions = jnp.eye(28)

    def jacobian(us: Any, theta: Any, *rest: Any) -> Any:
        def along(direction: Any) -> Any:
            moved = jnp.broadcast_to(direction[:2], us.shape), direction[2:]
            return jax.jvp(lambda u, t: errors(u, t, *rest), (us, theta), moved)[1]
        return jax.vmap(along, out_axes=-1)(directions)

    value, slope = jax.jit(errors), jax.jit(jacobian)
    return lambda: (value(us, theta, *rest).block_until_ready(),), lambda: (slope(us, theta, *rest).block_until_ready(),)
