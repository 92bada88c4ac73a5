from tmkd.training.runtime import resolve_runtime


def test_score_batch_that_was_asked_for_is_kept():
    assert resolve_runtime(device="cpu", score_batch=7).score_batch == 7


def test_score_batch_left_open_on_a_cpu_is_the_small_one():
    assert resolve_runtime(device="cpu").score_batch == 32
