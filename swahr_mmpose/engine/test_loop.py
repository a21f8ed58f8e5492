"""A test loop that decodes one batch while the network runs on the next."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from traceback import clear_frames
from typing import Any, Callable, TypeVar

import torch
from mmengine.model import is_model_wrapper
from mmengine.runner import TestLoop
from mmengine.runner.amp import autocast
from mmpose.registry import LOOPS


@LOOPS.register_module()
class BottomupTestLoop(TestLoop):
    """MMEngine's ``TestLoop`` for :class:`BottomupPyramidEstimator`, with the same results.

    While the network runs on a batch, the one before is decoded in a second thread, on a GPU in
    the loop's second stream, and the data loader's workers read those that follow. Hooks see each
    batch's results one batch later.
    """

    @torch.no_grad()
    def run(self) -> dict[str, float]:
        """Test, and return the metrics."""
        runner = self.runner
        runner.call_hook("before_test")
        runner.call_hook("before_test_epoch")
        runner.model.eval()
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if not hasattr(model, "start_test_step"):
            raise TypeError(
                f"`BottomupTestLoop` can't test a `{type(model).__name__}`. Set `model.type="
                "'BottomupPyramidEstimator'`, or `test_cfg.type='TestLoop'`."
            )
        for (index, batch), people in decoded_beside(model, self._batches(), self.fp16):
            found = people.result()
            self.evaluator.process(data_samples=found, data_batch=batch)
            runner.call_hook("after_test_iter", batch_idx=index, data_batch=batch, outputs=found)
        metrics: dict[str, float] = self.evaluator.evaluate(len(self.dataloader.dataset))
        runner.call_hook("after_test_epoch", metrics=metrics)
        runner.call_hook("after_test")
        return metrics

    def _batches(self) -> Iterator[tuple[tuple[int, Any], Any]]:
        """Each batch with its number and itself, which come back with its people."""
        for index, batch in enumerate(self.dataloader):
            self.runner.call_hook("before_test_iter", batch_idx=index, data_batch=batch)
            yield (index, batch), batch


_Key = TypeVar("_Key")
_Decode = Callable[[], "list[Any]"]


def decoded_beside(
    model: Any, batches: Iterable[tuple[_Key, Any]], fp16: bool = False
) -> Iterator[tuple[_Key, Future[list[Any]]]]:
    """Each batch's people or error; while the network runs on one, the one before is decoded.

    Args:
        model: The estimator; gradients are for the caller to switch off.
        batches: As the data loader gives them, each with what is to come back with its people.
        fp16: Whether the network runs in MMEngine's mixed precision.
    """
    on_cpu = next(model.parameters()).device.type == "cpu"
    beside = (lambda decode: decode) if on_cpu else _SecondStream()
    with ThreadPoolExecutor(max_workers=1) as decoding:
        waiting: tuple[_Key, Future[list[Any]]] | None = None
        for key, batch in batches:
            people: Future[list[Any]] = Future()
            try:
                with autocast(enabled=fp16):
                    decode = beside(model.start_test_step(batch))
                people = decoding.submit(decode)
            except Exception as error:
                clear_frames(error.__traceback__)  # the network's hold its memory
                people.set_exception(error)
            if waiting:
                yield waiting
            waiting = key, people
        if waiting:
            yield waiting


class _SecondStream:
    """Makes decoding run in one stream of its own, and not behind the next batch's network."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()

    def __call__(self, decode: _Decode) -> _Decode:
        """Call it where the maps were computed; the result may run in any thread."""
        ready = torch.cuda.current_stream().record_event()

        def run() -> list[Any]:
            with torch.cuda.stream(self.stream):
                self.stream.wait_event(ready)
                try:
                    return decode()
                finally:
                    # the maps' memory must not be used again before
                    self.stream.synchronize()

        return run
