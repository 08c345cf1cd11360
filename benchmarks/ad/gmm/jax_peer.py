# pyright: reportMissingImports=false
"""The mixture in JAX: one batched contraction over all points and Gaussians, compiled."""

from __future__ import annotations

from math import log, pi
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp, multigammaln

jax.config.update("jax_enable_x64", True)


def log_posterior(unknown: Any, x: Any, m: Any, gamma: Any) -> Any:
    alpha, mu, q, l = unknown
    (n, d), k = x.shape, len(alpha)
    columns, rows = np.triu_indices(d, 1)
    diagonals = jnp.exp(q)
    below = jnp.zeros((k, d, d)).at[:, rows, columns].set(l)
    away = x[:, None, :] - mu
    turned = diagonals * away + jnp.einsum("kij,nkj->nki", below, away)
    logs = jnp.sum(q, axis=1)
    inner = alpha + logs - 0.5 * jnp.sum(turned**2, axis=2)
    likelihood = jnp.sum(logsumexp(inner, axis=1)) - n * (logsumexp(alpha) + 0.5 * d * log(2 * pi))
    freedom = d + m + 1
    constant = freedom * d * jnp.log(gamma / 2**0.5) - multigammaln(0.5 * freedom, d)
    return likelihood + k * constant + m * jnp.sum(logs) - 0.5 * gamma**2 * (jnp.sum(diagonals**2) + jnp.sum(l**2))


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    unknown = tuple(jnp.asarray(inputs[name]) for name in ("alpha", "mu", "q", "l"))
    rest = jnp.asarray(inputs["x"]), float(inputs["m"]), inputs["gamma"]
    value, slope = jax.jit(log_posterior), jax.jit(jax.grad(log_posterior))
    return lambda: (value(unknown, *rest).block_until_ready(),), lambda: jax.block_until_ready(slope(unknown, *rest))
