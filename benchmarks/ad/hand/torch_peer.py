# pyright: reportMissingImports=false
"""Hand tracking in PyTorch: bones stacked where they can be, all directions of the Jacobian mapped side by side by `torch.func`."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

torch.set_num_threads(1)

BENDING = np.array([4 * finger + joint for finger in range(5) for joint in (2, 3, 4)])


def turn(angles: Any, first: int, second: int) -> Any:
    """Rotations from one axis to another, homogeneous, one for each angle."""
    still = torch.zeros((4, 4), dtype=torch.float64)
    plane, across = still.clone(), still.clone()
    plane[first, first] = plane[second, second] = 1.0
    across[second, first], across[first, second] = 1.0, -1.0
    angles = angles[:, None, None]
    return torch.eye(4, dtype=torch.float64) - plane + torch.cos(angles) * plane + torch.sin(angles) * across


def rotation(axis: Any) -> Any:
    angle = torch.sqrt(axis @ axis)
    x, y, z = axis / angle
    nil = torch.zeros_like(x)
    across = torch.stack((nil, -z, y, z, nil, -x, -y, x, nil)).reshape(3, 3)
    return torch.eye(3, dtype=torch.float64) + torch.sin(angle) * across + (1.0 - torch.cos(angle)) * across @ across


def errors_of(parents: np.ndarray, relative: Any, inverse: Any, positions: Any, weights: Any, corners: Any, points: Any) -> Any:
    def errors(us: Any, theta: Any) -> Any:
        fingers = theta[6:].reshape(5, 4)
        bend = torch.zeros(len(parents), dtype=torch.float64).index_put((torch.tensor(BENDING),), fingers[:, [0, 2, 3]].ravel())
        spread = torch.zeros(len(parents), dtype=torch.float64).index_put((torch.tensor(BENDING[::3]),), fingers[:, 1])
        own = relative @ turn(spread, 0, 1) @ turn(bend, 1, 2)
        frames: list[Any] = []
        for i, parent in enumerate(parents):
            frames.append(own[i] if parent == i else frames[parent] @ own[i])
        transforms = (torch.stack(frames) @ inverse)[:, :3]
        skin = torch.einsum("vb,bij,vj->vi", weights, transforms, positions)
        skin = skin @ rotation(theta[:3]).T + theta[3:6]
        shares = torch.cat((us, 1.0 - us.sum(dim=1, keepdim=True)), dim=1)
        return points - torch.einsum("ck,cki->ci", shares, skin[corners])

    return errors


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    names = ("relative", "inverse", "positions", "weights", "corners", "points")
    us, theta, *rest = (torch.tensor(inputs[name]) for name in ("us", "theta", *names))
    errors = errors_of(inputs["parents"], *rest)
    directions = torch.eye(28, dtype=torch.float64)

    def along(direction: Any) -> Any:
        return torch.func.jvp(errors, (us, theta), (direction[:2].expand(us.shape), direction[2:]))[1]

    return lambda: (errors(us, theta),), lambda: (torch.func.vmap(along, out_dims=-1)(directions),)
