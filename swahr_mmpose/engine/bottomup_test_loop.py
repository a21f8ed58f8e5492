"""Test with the network on one batch while the batch before is decoded."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable

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
        beside = beside_network(model)
        with ThreadPoolExecutor(max_workers=1) as decoding:
            waiting: tuple[int, Any, Future[list[Any]]] | None = None
            for index, batch in enumerate(self.dataloader):
                runner.call_hook("before_test_iter", batch_idx=index, data_batch=batch)
                with autocast(enabled=self.fp16):
                    decode = beside(model.start_test_step(batch))
                if waiting:
                    self._finish(*waiting)
                waiting = index, batch, decoding.submit(decode)
            if waiting:
                self._finish(*waiting)
        metrics: dict[str, float] = self.evaluator.evaluate(len(self.dataloader.dataset))
        runner.call_hook("after_test_epoch", metrics=metrics)
        runner.call_hook("after_test")
        return metrics

    def _finish(self, index: int, batch: Any, decoded: Future[list[Any]]) -> None:
        """Hand a batch's people to metric and hooks."""
        people = decoded.result()
        self.evaluator.process(data_samples=people, data_batch=batch)
        self.runner.call_hook("after_test_iter", batch_idx=index, data_batch=batch, outputs=people)


_Decode = Callable[[], "list[Any]"]


def beside_network(model: Any) -> Callable[[_Decode], _Decode]:
    """What makes a decoding run in another thread beside the model's network, on its device."""
    return _on_cpu if next(model.parameters()).device.type == "cpu" else _SecondStream()


def _on_cpu(decode: _Decode) -> _Decode:
    return decode


class _SecondStream:
    """Makes decoding run in one stream of its own, and not behind the next batch's network."""

    def __init__(self) -> None:
        self.stream = torch.cuda.Stream()

    def __call__(self, decode: _Decode) -> _Decode:
        """To be called where the maps were computed; what is returned may run in any thread."""
        ready = torch.cuda.current_stream().record_event()

        def run() -> list[Any]:
            with torch.cuda.stream(self.stream):
                self.stream.wait_event(ready)
                try:
                    return decode()
                finally:
                    # what the maps' memory is used for next must not begin before
                    self.stream.synchronize()

        return run
