import pytest
import torch

from tmkd import distributed
from tmkd.errors import ConfigError, TmkdError
from tmkd.training.runtime import resolve_runtime


def test_model_that_does_not_fit_the_device_is_one_sentence(runtime, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr("torch.nn.Module.to", full)
    with pytest.raises(TmkdError, match=r"no memory for a model's weights \(0\.0 GB\); .*set runtime\.device=cpu"):
        runtime.hold(torch.nn.Linear(2, 2))


@pytest.mark.parametrize(("local", "taken"), [(0, [0]), (1, [])])
def test_more_processes_than_gpus_are_not_ended_before_the_device_is_looked_at(monkeypatch, local, taken):
    # with runtime.device=cpu there is nothing wrong with them
    chosen = []
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", str(local))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 1)
    monkeypatch.setattr("torch.cuda.set_device", chosen.append)
    monkeypatch.setattr("torch.distributed.init_process_group", lambda *_, **__: None)
    monkeypatch.setattr("torch.distributed.get_rank", lambda: local)
    assert distributed.init.__wrapped__().local == local
    assert chosen == taken


def test_score_batch_that_was_asked_for_is_kept():
    assert resolve_runtime(device="cpu", score_batch=7).score_batch == 7


@pytest.mark.parametrize("threads", [-1, 1.5, "2"])
def test_threads_that_are_none_are_one_sentence(threads):
    with pytest.raises(ConfigError, match=r"threads: expected a whole number, 0 \(all\) or more, got"):
        resolve_runtime(device="cpu", threads=threads)


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
