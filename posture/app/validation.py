"""`posture validate`: find the labelled data, run it with a progress bar, print, write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress as Bar

from analysis.validation.catalogue import default_root, files, find, lines, refuse_tuned
from analysis.validation.evaluation import Evaluation, Progress
from analysis.validation.page import pictures, read_page, replaced, text, write_docs
from posture.app.exits import uninterrupted
from posture.app.summary import say
from posture.atomic import write_whole
from posture.types import InputError, PostureError


def listed(data: Sequence[Path] | None) -> None:
    """Print what there is."""
    for line in lines(data or [default_root()]):
        say(line)


def validated(name: str, data: Sequence[Path] | None, *, docs: Path | None, out: Path | None, smooth: bool) -> None:
    """Evaluate a data set, print its tables, write them where asked.

    InputError for what is not there; PostureError where a floor is missed, after everything was written.
    """
    dataset = find(name)
    evaluate = dataset.smoothed if smooth else dataset.evaluate
    if evaluate is None:
        raise InputError(f"--smooth is not offered for {name}: its trials are short; leave it away")
    if smooth and docs is not None:
        raise InputError("--smooth uses later samples and the page shows what a live run gives; leave one of them away")
    found = files(dataset, data or [default_root()])
    if docs is not None:
        refuse_tuned(dataset, found)
        replaced(read_page(docs), name, "", where=str(docs))
    made = _with_bar(name, lambda progress: evaluate(found, progress))
    words = text(dataset, made)
    say(words, wrap=False)
    with uninterrupted():
        if out is not None:
            write_whole(out / f"{name}.md", text(dataset, made, images=".") + "\n")
            for file, content in pictures(made).items():
                write_whole(out / file, content)
        if docs is not None:
            write_docs(docs, dataset, made)
    for place in (p for p in (out, docs) if p is not None):
        say(f"Written to {place}", wrap=False)
    if made.failures:
        raise PostureError(f"the mean over the recordings misses a floor: {'; '.join(made.failures)}")


def _with_bar(name: str, evaluate: Callable[[Progress], Evaluation]) -> Evaluation:
    screen = Console(stderr=True)
    with Bar(console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task(f"validate {name}", total=1.0)
        return evaluate(lambda share: bar.update(task, completed=share))
