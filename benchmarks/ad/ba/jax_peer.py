# pyright: reportMissingImports=false
"""Bundle adjustment in JAX: one error and its Jacobian, mapped over the observations, compiled."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)


def rotated(axis: Any, x: Any) -> Any:
    square = axis @ axis
    angle = jnp.sqrt(jnp.where(square == 0.0, 1.0, square))
    unit = axis / angle
    turned = x * jnp.cos(angle) + jnp.cross(unit, x) * jnp.sin(angle) + unit * ((unit @ x) * (1.0 - jnp.cos(angle)))
    return jnp.where(square == 0.0, x + jnp.cross(axis, x), turned)


def reprojection(camera: Any, x: Any, w: Any, feature: Any) -> Any:
    seen = rotated(camera[:3], x - camera[3:6])
    flat = seen[:2] / seen[2]
    square = flat @ flat
    return w * (flat * (1.0 + camera[9] * square + camera[10] * square * square) * camera[6] + camera[7:9] - feature)


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    names = ("cameras", "points", "weights", "features", "camera_of", "point_of")
    given = tuple(jnp.asarray(inputs[name]) for name in names)

    def of_each(function: Any) -> Any:
        def all_of(cameras: Any, points: Any, weights: Any, features: Any, camera_of: Any, point_of: Any) -> Any:
            return jax.vmap(function)(cameras[camera_of], points[point_of], weights, features)
        return all_of

    def blocks(camera: Any, x: Any, w: Any, feature: Any) -> Any:
        by = jax.jacrev(reprojection, argnums=(0, 1, 2))(camera, x, w, feature)
        return jnp.concatenate((by[0], by[1], by[2][:, None]), axis=1)

    value = jax.jit(lambda *all_: (of_each(reprojection)(*all_), 1.0 - all_[2] ** 2))
    slope = jax.jit(lambda *all_: (of_each(blocks)(*all_), jax.vmap(jax.grad(lambda w: 1.0 - w**2))(all_[2])))
    return lambda: jax.block_until_ready(value(*given)), lambda: jax.block_until_ready(slope(*given))
