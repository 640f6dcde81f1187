"""Normalisation of stacked sensors: against torch's own norms, and with absent samples."""

from __future__ import annotations

import torch
from torch import nn

from mfnet_lite.nets.layers.sensor_norm import SensorNorm


def data(sensors: int = 3, batch: int = 4, pixels: int = 10, channels: int = 5) -> torch.Tensor:
    return 3 * torch.randn(sensors, batch, pixels, channels, generator=generator()) + 1


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_layer_norm_of_each_sensor():
    net, x = SensorNorm(5, 3), data()
    with torch.no_grad():
        net.weight.normal_(generator=generator())
        net.bias.normal_(generator=generator())
    for m in range(3):
        torch_norm = nn.LayerNorm(5, eps=1e-6)
        torch_norm.load_state_dict({"weight": net.weight[m], "bias": net.bias[m]})
        torch.testing.assert_close(net(x)[m], torch_norm(x[m]))
    assert not list(net.buffers())


def test_batch_norm_from_the_second_sensor_on():
    net, x = SensorNorm(5, 3, batch_norm=True), data()
    norms = [nn.BatchNorm1d(5) for _ in range(2)]
    for training in (True, True, False):
        net.train(training)
        out = net(x)
        for m, norm in enumerate(norms):
            expected = norm.train(training)(x[m + 1].flatten(0, 1))
            torch.testing.assert_close(out[m + 1].flatten(0, 1), expected)
            torch.testing.assert_close(net.running_mean[m], norm.running_mean)
            torch.testing.assert_close(net.running_var[m], norm.running_var)
        torch.testing.assert_close(out[0], nn.LayerNorm(5, eps=1e-6)(x[0]))


def test_running_averages_in_double_precision():
    net, norm, x = SensorNorm(5, 2, batch_norm=True), nn.BatchNorm1d(5), data(sensors=2)
    net.double()(x.double())
    norm.double()(x[1].double().flatten(0, 1))
    torch.testing.assert_close(net.running_var[0], norm.running_var, rtol=1e-14, atol=0)


def test_statistics_leave_absent_samples_out():
    x = data(sensors=2)
    modality_mask = torch.tensor([[True, True], [True, False], [True, True], [True, False]])
    masked, subset = (SensorNorm(5, 2, batch_norm=True) for _ in range(2))
    out = masked(x, modality_mask)
    expected = subset(x[:, ::2])
    torch.testing.assert_close(out[:, ::2], expected)
    torch.testing.assert_close(masked.running_var, subset.running_var)


def test_a_sensor_nobody_has_leaves_the_averages_alone():
    x = data(sensors=2)
    net = SensorNorm(5, 2, batch_norm=True)
    before = net.running_mean.clone()
    out = net(x, torch.tensor([[True, False]] * 4))
    assert torch.isfinite(out).all()
    assert torch.equal(net.running_mean, before)


def test_one_sensor_has_nothing_to_batch_normalise():
    assert not list(SensorNorm(5, 1, batch_norm=True).buffers())
