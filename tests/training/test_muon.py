"""The optimiser: steps of equal size in all directions, Adam for the rest."""

import pytest
import torch

from cxr_sr.superres.models.networks import Hydra, Network, Trunk, Vdsr
from cxr_sr.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (5, 5)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonal(matrix)
    values = torch.linalg.svdvals(found)
    assert 0.5 < float(values.min()) <= float(values.max()) < 1.3
    u, _, vt = torch.linalg.svd(matrix, full_matrices=False)
    inner = u.T @ found @ vt.T
    assert float((inner - torch.diag(inner.diag())).abs().max()) < 1e-3


def test_the_size_of_the_gradient_does_not_matter():
    steps = []
    for gain in (1.0, 1e-4):
        weight = torch.nn.Parameter(torch.zeros(4, 4, 3, 3))
        weight.grad = gain * torch.randn(
            4, 4, 3, 3, generator=torch.Generator().manual_seed(1)
        )
        Muon([weight], [], 0.1, 0.1).step()
        steps.append(weight.detach().clone())
    assert torch.allclose(steps[0], steps[1], atol=1e-5)


def test_the_rest_is_adams():
    generator = torch.Generator().manual_seed(0)
    ours, theirs = (torch.nn.Parameter(torch.ones(3)) for _ in range(2))
    muon = Muon([], [ours], 0.1, 0.01)
    adam = torch.optim.Adam([theirs], lr=0.01)
    for _ in range(3):
        ours.grad = torch.randn(3, generator=generator)
        theirs.grad = ours.grad.clone()
        muon.step()
        adam.step()
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("network", [Hydra(), Vdsr(), Trunk(4, 2)])
def test_first_and_last_layers_are_left_to_adam(network: Network):
    layers = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    ends = 1 + (len(network.scales) if isinstance(network, Trunk) else 1)
    inner = {id(weight) for weight in network.inner_convolutions()}
    assert len(inner) == len(layers) - ends
    assert id(layers[0].weight) not in inner
    assert id(layers[-1].weight) not in inner
