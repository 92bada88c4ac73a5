import pytest

from tmkd.training.runtime import resolve_runtime


def test_score_batch_that_was_asked_for_is_kept():
    assert resolve_runtime(device="cpu", score_batch=7).score_batch == 7


def test_score_batch_left_open_on_a_cpu_is_the_small_one():
    assert resolve_runtime(device="cpu").score_batch == 32


@pytest.mark.parametrize(("capabilities", "warned"), [({}, True), ({"avx512_bf16": True}, False)])
def test_bf16_that_a_processor_only_emulates_is_warned_of(monkeypatch, caplog, capabilities, warned):
    # It takes several times as long as float32, and nothing else would say why.
    monkeypatch.setattr("torch.cpu.get_capabilities", lambda: capabilities)
    assert resolve_runtime(device="cpu", precision="bf16").bf16
    assert ("runtime.precision=bf16: this processor has no fast bf16" in caplog.text) == warned
    caplog.clear()
    assert resolve_runtime(device="cpu").bf16 != warned
    assert not caplog.text
