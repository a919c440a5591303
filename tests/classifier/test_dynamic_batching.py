"""Answers on a GPU: which device is chosen, batches, the way back to the CPU.

No GPU is needed: what stands in for one computes on the CPU and says that it is CUDA.
"""

import gc
import io
import threading
import weakref

import numpy as np
import onnxruntime
import pytest
from django.core.checks import run_checks
from PIL import Image

from classifier.answers import answer
from classifier.errors import BrokenVersion, DeviceUnusable, TooBusy
from classifier.inference import dynamic_batching
from classifier.inference.card import reference_array
from classifier.inference.classify import predict
from classifier.inference.concurrency import ConcurrencyLimit
from classifier.inference.dynamic_batching import Batcher
from classifier.inference.model import Model
from classifier.inference.onnx_session import CPU, CUDA, providers
from classifier.registry import prediction_limit, serving, stored
from classifier.registry.starter import FOLDER
from tests import tiny_model

AFTER = 10  # seconds after which a test that hangs gives up


def rows(*numbers) -> np.ndarray:
    return np.array(numbers, np.float32)[:, None]


class Device:
    """Doubles and negates what it is given; can be held. `sizes` of the batches it computed."""

    def __init__(self):
        self.sizes, self.begun, self.go = [], threading.Semaphore(0), threading.Event()
        self.go.set()

    def compute(self, batch):
        self.sizes.append(len(batch))
        self.begun.release()
        assert self.go.wait(AFTER)
        if (batch < 0).any():
            raise ArithmeticError("below zero")
        return 2 * batch, -batch


@pytest.fixture
def device():
    return Device()


def in_threads(work, items) -> tuple[dict, list]:
    """Start `work(item)` in a thread for each: results or errors by item, and the threads."""
    found = {}

    def keep(item):
        try:
            found[item] = work(item)
        except Exception as error:
            found[item] = error

    threads = [threading.Thread(target=keep, args=[item], daemon=True) for item in items]
    for thread in threads:
        thread.start()
    return found, threads


def ended(threads) -> None:
    for thread in threads:
        thread.join(AFTER)
        assert not thread.is_alive()


def until(condition) -> None:
    for _ in range(AFTER * 100):
        if condition():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not happen")


def gathered(batcher: Batcher, number: int) -> None:
    """Until so many calls wait to be computed."""
    until(lambda: batcher._open is not None and len(batcher._open.calls) == number)


# --- batches ----------------------------------------------------------------------------------


def test_calls_that_come_together_are_one_batch_and_each_gets_its_own_rows(device):
    batcher = Batcher(device.compute, most=8, seconds=AFTER)
    found, threads = in_threads(lambda n: batcher.run(rows(n)), range(8))
    ended(threads)
    assert device.sizes == [8]
    for number, (doubled, negated) in found.items():
        assert doubled.tolist() == [[2 * number]] and negated.tolist() == [[-number]]


def test_calls_of_several_rows_get_as_many_back(device):
    batcher = Batcher(device.compute, most=3, seconds=AFTER)
    found, threads = in_threads(lambda n: batcher.run(rows(*range(n))), [1, 2, 4])
    ended(threads)
    assert device.sizes == [7]
    assert {n: found[n][0].ravel().tolist() for n in found} == {
        n: [2 * i for i in range(n)] for n in [1, 2, 4]
    }


def test_no_batch_has_more_calls_than_allowed(device):
    batcher = Batcher(device.compute, most=2, seconds=AFTER)
    ended(in_threads(lambda n: batcher.run(rows(n)), range(6))[1])
    assert device.sizes == [2, 2, 2]


def test_a_call_on_its_own_is_answered_after_the_window(device):
    batcher = Batcher(device.compute, most=8, seconds=0.01)
    assert batcher.run(rows(3))[0].tolist() == [[6]]
    assert device.sizes == [1]


def test_calls_during_a_batch_become_the_next_batch(device):
    batcher = Batcher(device.compute, most=8, seconds=0)
    device.go.clear()
    _, first = in_threads(lambda n: batcher.run(rows(n)), [0])
    assert device.begun.acquire(timeout=AFTER)
    found, others = in_threads(lambda n: batcher.run(rows(n)), [1, 2, 3])
    gathered(batcher, 3)
    device.go.set()
    ended(first + others)
    assert device.sizes == [1, 3]
    assert {n: found[n][0].item() for n in found} == {1: 2, 2: 4, 3: 6}


def test_an_error_reaches_all_calls_of_its_batch_and_no_later_ones(device):
    batcher = Batcher(device.compute, most=3, seconds=AFTER)
    found, threads = in_threads(lambda n: batcher.run(rows(n)), [1, -1, 2])
    ended(threads)
    assert [type(error) for error in found.values()] == [ArithmeticError] * 3
    found, threads = in_threads(lambda n: batcher.run(rows(n)), [1, 2, 3])
    ended(threads)
    assert {n: found[n][0].item() for n in found} == {1: 2, 2: 4, 3: 6}


def test_an_array_of_another_shape_fails_its_batch_and_blocks_no_call(device):
    batcher = Batcher(device.compute, most=2, seconds=AFTER)
    found, threads = in_threads(lambda wide: batcher.run(np.zeros((1, wide), "f4")), [1, 2])
    ended(threads)
    assert [type(error) for error in found.values()] == [ValueError] * 2
    assert device.sizes == []


def test_calls_time_out_when_the_device_hangs(device, monkeypatch):
    monkeypatch.setattr(dynamic_batching, "WAIT_SECONDS", 0.05)
    batcher = Batcher(device.compute, most=2, seconds=0)
    device.go.clear()
    _, stuck = in_threads(lambda n: batcher.run(rows(n)), [0])
    assert device.begun.acquire(timeout=AFTER)
    found, others = in_threads(lambda n: batcher.run(rows(n)), [1, 2, 3])
    ended(others)
    assert [type(error) for error in found.values()] == [TimeoutError] * 3
    device.go.set()
    ended(stuck)
    assert batcher.run(rows(5))[0].item() == 10


def test_a_dropped_batcher_leaves_no_thread():
    def used_and_dropped() -> weakref.ref:
        device = Device()
        batcher = Batcher(device.compute, most=4, seconds=AFTER)
        ended(in_threads(lambda n: batcher.run(rows(n)), range(4))[1])
        return weakref.ref(device)

    before = threading.active_count()
    gone = used_and_dropped()
    assert threading.active_count() == before
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("which", ["tiny", "starter"])
def test_a_batch_is_computed_as_one_by_one(which, tmp_path):
    if which == "tiny":
        classes = [{"slug": s, "kind": "type", "category": "c"} for s in tiny_model.COLOURS]
        tiny_model.write(tmp_path, classes, tiny_model.COLOURS.values(), "tiny")
    model = Model.load(tmp_path if which == "tiny" else FOLDER)
    pictures = [reference_array(model.preprocess) * scale for scale in (0.25, 0.5, 1)]
    batcher = Batcher(model.run, most=3, seconds=AFTER)
    found, threads = in_threads(lambda n: batcher.run(pictures[n]), range(3))
    ended(threads)
    for number, picture in enumerate(pictures):
        for given, alone in zip(found[number], model.run(picture), strict=True):
            assert given.shape == alone.shape
            np.testing.assert_allclose(given, alone, rtol=1e-4, atol=1e-4)


# --- the device -------------------------------------------------------------------------------


class FakeCuda:
    """ONNX Runtime with CUDA, as far as anybody can see; it computes on the CPU.

    `adds`: by how much its logits are off. `there`: whether there is a GPU behind it; without one
    ONNX Runtime goes on with the CPU. `opens`: whether it gets that far.
    """

    def __init__(self):
        self.real, self.adds, self.there, self.opens = onnxruntime.InferenceSession, 0, True, True
        self.options, self.sizes = [], []

    def __call__(self, graph, options, on, **others):
        outer, session = self, self.real(graph, options, [CPU], **others)
        if on == [CPU]:
            return session
        (name, settings), behind = on
        assert (name, behind) == (CUDA, CPU)
        self.options.append(settings)
        if not self.opens:
            raise RuntimeError("no memory on the device")

        class Session:
            get_inputs, get_outputs = session.get_inputs, session.get_outputs

            def get_providers(self):
                return [CUDA, CPU] if outer.there else [CPU]

            def run(self, names, inputs):
                outer.sizes.append(len(inputs["image"]))
                logits, *rest = session.run(names, inputs)
                return [logits + outer.adds, *rest]

        return Session()


@pytest.fixture
def cuda(monkeypatch):
    fake = FakeCuda()
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, "InferenceSession", fake)
    return fake


@pytest.fixture
def own_gate(monkeypatch):
    monkeypatch.setattr(prediction_limit, "limit", ConcurrencyLimit(concurrency=1, queue=2))
    monkeypatch.setattr(prediction_limit.os, "cpu_count", lambda: 2)


@pytest.fixture
def version(db, tmp_path, settings, own_gate):
    settings.PREDICT_QUEUE = 2
    return tiny_model.activate(tmp_path / "tiny")


def photo(colour) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 64), colour).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize(
    "device, available, first",
    [
        ("auto", [CPU], CPU),
        ("auto", ["AzureExecutionProvider", CPU], CPU),
        ("auto", ["TensorrtExecutionProvider", CUDA, CPU], CUDA),
        ("cpu", [CPU], CPU),
        ("cpu", [CUDA, CPU], CPU),
        ("cuda", [CUDA, CPU], CUDA),
    ],
)
def test_the_device_is_chosen(device, available, first, monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: available)
    chosen = [p if isinstance(p, str) else p[0] for p in providers(device)]
    assert chosen == ([CUDA, CPU] if first == CUDA else [CPU])


def test_cuda_without_cuda_says_what_to_install(monkeypatch):
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CPU])
    with pytest.raises(DeviceUnusable, match=r"install onnxruntime-gpu\[cuda,cudnn\]"):
        providers("cuda")


def test_an_unknown_device_is_refused():
    with pytest.raises(DeviceUnusable, match="choose one of auto, cpu, cuda"):
        providers("gpu")


def test_a_missing_device_is_logged(version, settings, caplog):
    settings.PREDICT_DEVICE = "cuda"
    assert serving.active() is None
    assert "install onnxruntime-gpu" in caplog.text


def test_answers_come_from_the_gpu_and_other_work_stays_on_the_cpu(version, cuda):
    assert serving.active().model.on_gpu
    assert not stored.load(version).on_gpu
    stored.verify(version)
    assert cuda.options == [{"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}]


def test_the_cpu_answers_one_by_one(version):
    served = serving.active()
    assert not served.model.on_gpu and served.model.batched is None
    assert prediction_limit.limit.concurrency == 1


@pytest.mark.parametrize("trouble", [{"there": False}, {"opens": False}, {"adds": 1.0}])
def test_the_cpu_answers_where_the_gpu_fails_and_it_is_logged(version, cuda, trouble, caplog):
    vars(cuda).update(trouble)
    result = answer.recognise(photo((255, 0, 0)))
    assert result["type"]["slug"] == "chelsea-boots"
    served = serving.active()
    assert not served.model.on_gpu and served.model.batched is None
    assert caplog.text.count("Predictions run on the CPU and not on a GPU") == 1
    assert prediction_limit.limit.concurrency == 1


def test_a_broken_version_is_broken_on_a_gpu_too(version, cuda, tmp_path, caplog):
    folder = stored.fetch(version)
    (folder / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BrokenVersion, match="sha256"):
        Model.load(folder, providers("auto"))
    assert "Predictions run" not in caplog.text


# --- answers ----------------------------------------------------------------------------------


def test_photos_sent_together_are_computed_together(version, cuda, settings):
    settings.PREDICT_BATCH_MS = 1000 * AFTER
    served = serving.active()
    cuda.sizes.clear()
    colours = {"chelsea-boots": (255, 0, 0), "brogues": (0, 0, 255), "running-shoes": (0, 255, 0)}

    def ask(slug):
        with prediction_limit.limit.turn():
            return predict(photo(colours[slug]), served.model).type[0]

    found, threads = in_threads(ask, colours)
    ended(threads)
    assert cuda.sizes == [3]
    assert found == {slug: slug for slug in colours}


def test_an_answer_from_a_gpu_is_that_of_the_cpu(version, cuda, settings):
    on_gpu = answer.recognise(photo((240, 0, 0)))
    assert serving.active().model.batched and 1 in cuda.sizes
    settings.PREDICT_DEVICE = "cpu"
    serving.forget()
    on_cpu = answer.recognise(photo((240, 0, 0)))
    assert {**on_gpu, "id": ""} == {**on_cpu, "id": ""}


def test_a_promotion_on_a_gpu_is_followed_while_the_old_version_still_answers(
    version, cuda, tmp_path
):
    before = serving.active()
    red_is_brogues = {"brogues": (255, 0, 0), "loafers": (0, 0, 255)}
    tiny_model.activate(tmp_path / "other", red_is_brogues, "other")
    assert answer.recognise(photo((255, 0, 0)))["type"]["slug"] == "brogues"
    result = answer.recognise(photo((255, 0, 0)), served=before)
    assert result["type"]["slug"] == "chelsea-boots"


# --- the gate on a GPU ------------------------------------------------------------------------


def test_on_a_gpu_waiting_requests_run_and_one_more_is_refused(version, cuda):
    serving.active()
    assert (prediction_limit.limit.concurrency, prediction_limit.limit.queue) == (3, 0)
    with (
        prediction_limit.limit.turn(),
        prediction_limit.limit.turn(),
        prediction_limit.limit.turn(),
        pytest.raises(TooBusy),
        prediction_limit.limit.turn(),
    ):
        pass


def test_the_limit_is_lowered_when_the_next_version_runs_on_the_cpu(version, cuda, tmp_path):
    serving.active()
    cuda.adds = 1.0
    tiny_model.activate(tmp_path / "other", {"brogues": (255, 0, 0)}, "other")
    assert not serving.active().model.on_gpu
    assert (prediction_limit.limit.concurrency, prediction_limit.limit.queue) == (1, 2)


def test_an_unknown_device_fails_the_system_check(settings):
    assert not run_checks()
    settings.PREDICT_DEVICE = "gpu"
    assert [each.id for each in run_checks()] == ["classifier.E001"]


def test_the_configured_concurrency_holds_on_a_gpu_too(version, cuda, settings):
    settings.PREDICT_CONCURRENCY = 1
    serving.active()
    assert (prediction_limit.limit.concurrency, prediction_limit.limit.queue) == (1, 2)


def test_a_raised_limit_admits_waiting_calls():
    guard, inside = ConcurrencyLimit(concurrency=1, queue=3), threading.Semaphore(0)
    leave = threading.Event()

    def work(_):
        with guard.turn():
            inside.release()
            leave.wait(AFTER)

    with guard.turn():
        _, threads = in_threads(work, range(3))
        until(lambda: len(guard._waiting) == 3)
        guard.resize(3, 1)
        assert inside.acquire(timeout=AFTER) and inside.acquire(timeout=AFTER)
        assert len(guard._waiting) == 1
    assert inside.acquire(timeout=AFTER)  # the place that was left goes to who waits
    leave.set()
    ended(threads)
    assert guard._running == 0
