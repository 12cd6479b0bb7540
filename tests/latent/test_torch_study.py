"""The study of the layer in a network: that it compares like with like. Nothing is timed."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"

if not BENCHMARKS.exists():
    pytest.skip("the source distribution has no benchmarks", allow_module_level=True)


@pytest.fixture
def network(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import network

    return network


def test_heads_have_as_many_parameters(network):
    def count(head):
        return sum(p.numel() for p in network.HEADS[head]().parameters())

    form = count("form layer")
    assert form == count("form layer, F in the loss")
    assert form == count("two linear layers, no activation")
    assert form == count("the same, started as the form")
    assert 0 < count("two linear layers, ReLU") - form <= 12  # biases, in the other's favour


def test_parts_of_a_split_share_no_image(network):
    data = network.split(3, 200)
    assert [len(part[1]) for part in (data.train, data.valid, data.test)] == [200, 360, 360]
    kept = [{bytes(image.numpy()) for image in part[0]} for part in (data.train, data.test)]
    assert not kept[0] & kept[1]
    again = network.split(3)
    assert torch.equal(again.test[1], data.test[1])
    assert len(again.train[1]) == 1077


def test_a_form_head_learns_and_says_no_more_than_a_matrix(network):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        fit = network.trained("form layer", network.split(0), seed=0, rate=0.01, updates=60)
    finally:
        torch.set_num_threads(before)
    assert fit.test > 80
    head = network.HEADS["form layer"]()
    X, Z = torch.randn(2, 5, 64)
    zero = torch.zeros(5, 64)
    apart = head(X, zero) + head(zero, Z) - head.bias
    torch.testing.assert_close(head(X, Z), apart)


def test_the_twin_starts_as_the_form_does(network):
    form, twin = network.HEADS["form layer"](), network.HEADS["the same, started as the form"]()
    first, _, last = twin.layers
    with torch.no_grad():
        for loading, start in zip(
            (form.form.beta, form.form.u, form.form.alpha),
            (*first.weight.mT.split(64), last.weight),
        ):
            loading.copy_(start)
    X, Z = torch.randn(2, 5, 64)
    torch.testing.assert_close(form(X, Z) * (1 + form.form.ridge), twin(X, Z))
