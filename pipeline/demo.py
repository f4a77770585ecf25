"""``emotrove demo``: every step of the way, on a small shard that comes with emotrove."""

import json
import shlex
import shutil
import time
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from manifests.errors import StorageError
from manifests.run_folder import RunFolder
from manifests.storage import Store
from pipeline.config import load_config
from pipeline.export import export
from pipeline.label import label
from pipeline.page import write_page
from pipeline.progress import listener
from pipeline.report import print_export, print_progress, print_status
from pipeline.status import status

SHARD = "DEMO-B000000.tar"
PROFILE = "embedded"
PER_CLASS = 3


def demo(out: Path) -> None:
    """Label the shard into ``out/run``, print the account, write ``out/report.html`` and export ``out/dataset``.

    In a folder where a demo has been before, the run goes on where it stopped, and page and export are made anew.

    Raises
    ------
    RunFolderError : ``out/run`` was made by another release of emotrove, or belongs to a job that is at work on it
    StorageError : ``out`` cannot be written, or ``out/dataset`` is something else than the export of this run
    """
    started = time.monotonic()
    console = Console(highlight=False, soft_wrap=True)
    run, page, dataset = RunFolder(str(out / "run")), out / "report.html", out / "dataset"
    _check_old(dataset, run)
    shard = _unpack(out)
    _step(console, "Labelling", "label", shard, out / "run")
    with listener(json=False) as listen:
        print_progress(label([str(shard)], run, load_config(PROFILE), PROFILE, listener=listen), str(out / "run"))
    _step(console, "The account", "status", out / "run")
    print_status(status(run))
    _step(console, "The page", "page", out / "run", page)
    write_page(run, page)
    console.print(f"{page}: open it in a browser", markup=False)
    _step(console, "The data set", "export", out / "run", dataset, "--per-class", PER_CLASS)
    if dataset.exists():
        shutil.rmtree(dataset)
    print_export(export(run, dataset, per_class=PER_CLASS))
    _say_where(console, out, time.monotonic() - started)


def _unpack(out: Path) -> Path:
    """The shard as a file of the demo's folder, so that the run still finds its audio when emotrove is upgraded or removed."""
    shard = out / SHARD
    if not shard.exists():
        Store(str(out)).write_bytes(SHARD, files("pipeline").joinpath("demo_data", SHARD).read_bytes())
    return shard


def _check_old(dataset: Path, run: RunFolder) -> None:
    """Refuse, before anything starts, to replace what no earlier demo has made."""
    if not dataset.exists():
        return
    try:
        ours = json.loads((dataset / "export.json").read_text("utf-8"))["run"] == str(run)
    except (OSError, ValueError, KeyError, TypeError):
        ours = False
    if not ours:
        raise StorageError(f"{dataset} is there, but is no export of {run}. Move it elsewhere, or give another folder")


def _step(console: Console, title: str, *command: object) -> None:
    """Announce a step, with the command that does the same."""
    console.print(f"\n[bold cyan]{title}[/bold cyan]")
    console.print(f"$ {shlex.join(map(str, ('emotrove', *command)))}", markup=False, style="dim")


def _say_where(console: Console, out: Path, seconds: float) -> None:
    console.print(
        f"\n[bold green]Done in {seconds:.0f} s.[/bold green] Everything is in {out.absolute()}:", markup=True
    )
    for name, what in (
        ("report.html", "the page: open it in a browser, listen, and read the rationales"),
        ("dataset/", "the export in EMO-Emilia's form; its README.md says what is what"),
        ("run/", "the run folder: one row for every clip, as Parquet"),
        (SHARD, "the input: synthetic speech, with four entries that are wrong on purpose"),
    ):
        console.print(f"  {name:<18} {what}", markup=False)
    console.print(
        "The speech is synthetic, so its emotion labels mean nothing; they show how things work.\n\n"
        "Next, with speech of your own (Emilia tars, folders of audio, or .jsonl files):\n"
        "  emotrove inspect 'data/*.tar'\n"
        "  emotrove label 'data/*.tar' runs/first\n"
        "  emotrove page runs/first first.html",
        markup=False,
    )
