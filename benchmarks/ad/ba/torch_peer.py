# pyright: reportMissingImports=false
"""Bundle adjustment in PyTorch: all errors side by side; since each depends on its own row alone, two gradients give all blocks."""

from __future__ import annotations

from typing import Any

import torch

torch.set_num_threads(1)


def reprojections(v: Any, features: Any) -> Any:
    axis, centre, focal, middle, radial, x, w = torch.split(v, (3, 3, 1, 2, 2, 3, 1), dim=1)
    angle = torch.sqrt(torch.sum(axis * axis, dim=1, keepdim=True))
    unit, away = axis / angle, x - centre
    dot = torch.sum(unit * away, dim=1, keepdim=True)
    seen = away * torch.cos(angle) + torch.linalg.cross(unit, away) * torch.sin(angle) + unit * (dot * (1.0 - torch.cos(angle)))
    flat = seen[:, :2] / seen[:, 2:]
    square = torch.sum(flat * flat, dim=1, keepdim=True)
    return w * (flat * (1.0 + radial[:, :1] * square + radial[:, 1:] * square * square) * focal + middle - features)


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    names = ("cameras", "points", "weights", "features", "camera_of", "point_of")
    cameras, points, weights, features, camera_of, point_of = (torch.tensor(inputs[name]) for name in names)

    def observed() -> Any:
        return torch.cat((cameras[camera_of], points[point_of], weights[:, None]), dim=1)

    def derivative() -> Any:
        v, w = observed().requires_grad_(), weights.detach().requires_grad_()
        errors = reprojections(v, features)
        rows = [torch.autograd.grad(errors[:, i].sum(), v, retain_graph=i == 0)[0] for i in range(2)]
        return torch.stack(rows, dim=1), torch.autograd.grad((1.0 - w**2).sum(), w)[0]

    return lambda: (reprojections(observed(), features), 1.0 - weights**2), derivative
