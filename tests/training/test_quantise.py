"""int8: the engines compute the values that torch rounds in training."""

import dataclasses

import numpy as np
import onnxruntime
import pytest

from tests.builders import structure, tiny_model, tiny_spec

torch = pytest.importorskip("torch")

from cxr_sr.superres.models.networks import Trunk, build, load_network  # noqa: E402
from cxr_sr.training.int8_graph import write_int8  # noqa: E402
from cxr_sr.training.quantise import (  # noqa: E402
    HEADROOM,
    QuantisedTrunk,
    Rounding,
)
from cxr_sr.training.weights import write_int8_weights  # noqa: E402

TOLERANCE = 0.04
"""As a share of the largest residual. A sum on the edge of two codes, in another order,
may be rounded to either, and on some processors is: in some images, not in all."""


def an_image(seed=0, planes=1):
    shape = 1, planes, 24, 31
    return torch.from_numpy(structure(shape, seed=seed).astype(np.float32))


@pytest.fixture(params=["trunk", "told"])
def model(tmp_path, request):
    return tiny_model(tmp_path, request.param)


@pytest.fixture
def trunk(model):
    network = load_network(model)
    assert isinstance(network, Trunk)
    quantised = QuantisedTrunk(network).train()
    quantised(an_image(planes=network.inputs), 2)
    return quantised.eval()


def in_onnx(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return dict(
        zip(
            [o.name for o in session.get_outputs()],
            session.run(None, {"image": image.numpy()}),
            strict=True,
        )
    )


def in_openvino(path, image):
    openvino = pytest.importorskip("openvino")
    settings = {"INFERENCE_PRECISION_HINT": "f32"}
    compiled = openvino.Core().compile_model(path, "CPU", settings)
    found = compiled([image.numpy()])
    return {output.any_name: found[output] for output in compiled.outputs}


@pytest.mark.parametrize("engine", [in_onnx, in_openvino])
def test_the_written_graph_computes_what_torch_rounds(trunk, model, engine):
    path = model.onnx.with_suffix(".int8.onnx")
    write_int8(trunk, model.onnx, path)
    errors = [
        worst_share(trunk, engine, path, an_image(seed, trunk.inputs))
        for seed in range(4)
    ]
    assert min(errors) < TOLERANCE, "a wrong graph is wrong for every image"


def test_openvino_makes_no_pass_of_its_own_for_a_sum(tmp_path):
    openvino = pytest.importorskip("openvino")
    depth = 6
    spec = dataclasses.replace(tiny_spec(), settings={"width": 8, "depth": depth})
    plain = build(spec)
    assert isinstance(plain, Trunk)
    trunk = QuantisedTrunk(plain).train()
    trunk(an_image(), 2)
    model = write_int8_weights(trunk.eval(), plain, spec, tmp_path)
    compiled = openvino.Core().compile_model(model.int8, "CPU")
    nodes = compiled.get_runtime_model().get_ordered_ops()
    kinds = [node.get_rt_info()["layerType"].astype(str) for node in nodes]
    assert kinds.count("Convolution") == 2 + depth + len(spec.scales)
    assert not kinds.count("Eltwise")


def worst_share(trunk, engine, path, image):
    """The largest difference at any scale, as a share of the largest residual."""
    found = engine(path, image)
    shares = []
    for scale in trunk.scales:
        with torch.inference_mode():
            expected = trunk(image, scale).numpy()
        error = np.abs(found[f"x{scale}"] - expected).max()
        shares.append(error / np.abs(expected).max())
    return max(shares)


def test_rounding_costs_little_but_something(trunk, model):
    with torch.inference_mode():
        exact = load_network(model)(an_image(planes=trunk.inputs), 2)
        error = (trunk(an_image(planes=trunk.inputs), 2) - exact).square().mean().sqrt()
    assert 0 < error < 0.1 * exact.square().mean().sqrt()


def test_gradients_pass_the_rounding(trunk):
    trunk(an_image(planes=trunk.inputs), 2).square().mean().backward()
    for pair in trunk.pairs:
        assert pair.first.weight.grad.abs().max() > 0
        assert pair.second.weight.grad.abs().max() > 0


def test_a_range_is_learned_in_training_only():
    """It suits the usual crop: one with a marker has no effect on it."""
    rounding = Rounding((-127, 127)).train()
    rounding(torch.tensor([0.5, -2.0, 90.0]).view(3, 1, 1, 1))
    end = 2.0 * HEADROOM
    assert float(rounding.largest) == end
    rounded = rounding.eval()(torch.tensor([9.0, -9.0, end / 2]))
    assert float(rounding.largest) == end
    torch.testing.assert_close(rounded, torch.tensor([end, -end, 64 * end / 127]))
