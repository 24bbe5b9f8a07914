"""The Q-network's forward pass as compiled code: no overhead an operation, so that one decision takes microseconds."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from atmr_pipeline.dispatch.compiled import compiled
from atmr_pipeline.models.policy.feature_contract import Decision
from atmr_pipeline.models.policy.network import QNetwork

FloatArray = npt.NDArray[np.float32]

NORM_EPSILON = 1e-5
"""As in torch.nn.LayerNorm."""

Scorer = Callable[[Decision], Tensor]
"""From N decisions to Q-values (N, D + 1) in reward units; meaningless where an action is not legal."""


def scorer(network: torch.nn.Module) -> Scorer:
    """The fastest way to ask a network on the processor, without gradients.

    The weights are copied: a network that learns on must be asked through a new one. Any network that is not the plain
    :class:`QNetwork` answers for itself.
    """
    if type(network) is not QNetwork or network.driver_in.weight.device.type != "cpu" or network.has_attention:
        return network
    weights = _weights(network)

    def ask(decision: Decision) -> Tensor:
        arrays = (decision.driver, decision.state, decision.on_duty, decision.prior, decision.choice.legal)
        return torch.from_numpy(_forward(weights, tuple(tensor.numpy() for tensor in arrays)))

    return ask


def _weights(network: QNetwork) -> tuple[FloatArray, ...]:
    """Every weight as compiled code reads it: matrices transposed, those of the layers stacked."""
    state = {name: value.numpy().astype(np.float32) for name, value in network.state_dict().items()}
    layers = range(network.architecture.layers)

    def of_layers(name: str, *, transposed: bool = False) -> FloatArray:
        each = [state[f"layers.{layer}.{name}"] for layer in layers]
        return np.stack([np.ascontiguousarray(value.T) if transposed else value for value in each])

    def matrix(name: str) -> FloatArray:
        return np.ascontiguousarray(state[name].T)

    return (
        matrix("driver_in.weight"),
        state["driver_in.bias"],
        matrix("state_in.weight"),
        of_layers("norm.weight"),
        of_layers("norm.bias"),
        of_layers("own.weight", transposed=True),
        of_layers("own.bias"),
        of_layers("fleet.weight", transposed=True),
        state["serve_norm.weight"],
        state["serve_norm.bias"],
        np.ascontiguousarray(state["serve_head.weight"][0]),
        state["serve_head.bias"],
        state["fleet_head.0.weight"],
        state["fleet_head.0.bias"],
        matrix("fleet_head.1.weight"),
        state["fleet_head.1.bias"],
        matrix("value_and_drop.weight"),
        state["value_and_drop.bias"],
    )


@compiled
def _normed(rows, weight, bias, out):  # type: ignore[no-untyped-def]
    width = rows.shape[1]
    for row in range(rows.shape[0]):
        mean, square = np.float32(0.0), np.float32(0.0)
        for column in range(width):
            mean += rows[row, column]
        mean /= np.float32(width)
        for column in range(width):
            square += (rows[row, column] - mean) ** 2
        scale = np.float32(1.0) / np.sqrt(square / np.float32(width) + np.float32(NORM_EPSILON))
        for column in range(width):
            out[row, column] = (rows[row, column] - mean) * scale * weight[column] + bias[column]


@compiled
def _pooled(rows, on_duty, out):  # type: ignore[no-untyped-def]
    # Mean and maximum over the drivers that exist, (N, 2H) into the first columns; zero where there is none.
    days, drivers = on_duty.shape
    width = rows.shape[1]
    for day in range(days):
        there = 0
        for column in range(2 * width):
            out[day, column] = 0.0
        for driver in range(drivers):
            if not on_duty[day, driver]:
                continue
            row = day * drivers + driver
            for column in range(width):
                value = rows[row, column]
                out[day, column] += value
                if there == 0 or value > out[day, width + column]:
                    out[day, width + column] = value
            there += 1
        for column in range(width):
            out[day, column] /= np.float32(max(there, 1))


@compiled
def _forward(weights, arrays):  # type: ignore[no-untyped-def]
    (
        driver_in, driver_bias, state_in, norm_weight, norm_bias, own, own_bias, fleet, serve_norm, serve_norm_bias,
        serve, serve_bias, head_norm, head_norm_bias, head, head_bias, last, last_bias,
    ) = weights  # fmt: skip
    driver, state, on_duty, prior, legal = arrays
    days, drivers, features = driver.shape
    width = driver_bias.size
    told = np.dot(np.ascontiguousarray(state.astype(np.float32)), state_in)
    rows = np.dot(np.ascontiguousarray(driver.astype(np.float32)).reshape(days * drivers, features), driver_in)
    for row in range(days * drivers):
        for column in range(width):
            value = rows[row, column] + driver_bias[column] + told[row // drivers, column]
            rows[row, column] = max(value, np.float32(0.0))
    normed = np.empty_like(rows)
    pooled = np.empty((days, 2 * width), dtype=np.float32)
    for layer in range(own.shape[0]):
        _normed(rows, norm_weight[layer], norm_bias[layer], normed)
        _pooled(normed, on_duty, pooled)
        mixed = np.dot(normed, own[layer])
        shared = np.dot(pooled, fleet[layer])
        for row in range(days * drivers):
            for column in range(width):
                value = mixed[row, column] + own_bias[layer, column] + shared[row // drivers, column]
                rows[row, column] += max(value, np.float32(0.0))
    _pooled(rows, on_duty, pooled)
    _normed(rows, serve_norm, serve_norm_bias, normed)
    served = np.dot(normed, serve)
    whole = np.concatenate((pooled, told), axis=1)
    inner = np.empty_like(whole)
    _normed(whole, head_norm, head_norm_bias, inner)
    hidden = np.dot(inner, head)
    for day in range(days):
        for column in range(width):
            hidden[day, column] = max(hidden[day, column] + head_bias[column], np.float32(0.0))
    value_and_drop = np.dot(hidden, last)
    q = np.empty((days, drivers + 1), dtype=np.float32)
    for day in range(days):
        drop = value_and_drop[day, 1] + last_bias[1]
        total, count = np.float32(0.0), 0
        for action in range(drivers + 1):
            q[day, action] = served[day * drivers + action] + serve_bias[0] if action < drivers else drop
            if legal[day, action]:
                total += q[day, action]
                count += 1
        shift = value_and_drop[day, 0] + last_bias[0] - total / np.float32(max(count, 1))
        for action in range(drivers + 1):
            q[day, action] += shift + np.float32(prior[day, action])
    return q
