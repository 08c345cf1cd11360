# pyright: reportMissingImports=false
"""The diagonal LSTM in PyTorch: a loop over characters and layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

torch.set_num_threads(1)


def loss(main: Any, extra: Any, state: Any, sequence: Any) -> Any:
    layers, b = len(state) // 2, sequence.shape[1]
    states = [(state[2 * i], state[2 * i + 1]) for i in range(layers)]
    total = torch.zeros((), dtype=torch.float64)
    for now, following in pairwise(sequence):
        x = now * extra[0]
        for i in range(layers):
            hidden, cell = states[i]
            gates = torch.cat((x, hidden, x, hidden)) * main[2 * i] + main[2 * i + 1]
            forget, enter, leave = torch.sigmoid(gates[:3 * b]).reshape(3, b)
            cell = cell * forget + enter * torch.tanh(gates[3 * b:])
            x = leave * torch.tanh(cell)
            states[i] = x, cell
        y = x * extra[1] + extra[2]
        total = total + torch.sum(following * (y - torch.log(2 + torch.sum(torch.exp(y)))))
    return -total / ((len(sequence) - 1) * b)


def programs(inputs: dict[str, Any]) -> tuple[Any, Any]:
    main, extra = (torch.tensor(inputs[name], requires_grad=True) for name in ("main", "extra"))
    rest = torch.tensor(inputs["state"]), torch.tensor(inputs["sequence"])

    def derivative() -> Any:
        return torch.autograd.grad(loss(main, extra, *rest), (main, extra))

    return (lambda: (loss(main.detach(), extra.detach(), *rest),)), derivative
