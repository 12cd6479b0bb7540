"""The packages that are compared: how to ask for one, and how to start its worker."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from jobs import Job

HERE = Path(__file__).resolve().parent

LONG = 20.0
"""A call of more seconds than this is not repeated: it counts although it is the first."""


@dataclass(frozen=True)
class Peer:
    """A package, or a package with an option.

    Attributes
    ----------
    name : str
    package : str
    language : {"Python", "R"}
    variant : bool
        Runs only on jobs that name it.
    only_ml, only_diagonal : bool
        No REML; no correlations between the random effects of a term.
    needs : str
        A module that the option needs beside the package.
    """

    name: str
    package: str
    language: str = "Python"
    variant: bool = False
    only_ml: bool = False
    only_diagonal: bool = False
    needs: str = ""

    def interpreter(self, python: str) -> str:
        """lmforms runs where this runs; other Python peers may live elsewhere."""
        if self.language == "R":
            return "Rscript"
        return sys.executable if self.package == "lmforms" else python

    def is_installed(self, versions: dict[str, str]) -> bool:
        """Whether it can run, where these packages are installed."""
        return self.package in versions and (not self.needs or find_spec(self.needs) is not None)

    def version(self, python: str) -> str | None:
        """The installed version, or None if there is none."""
        if self.package == "lmforms":
            return "(checkout)"
        if self.language == "R":
            code = f"library({self.package}); library(jsonlite); "
            code += f"cat(as.character(packageVersion('{self.package}')))"
            command = ["Rscript", "-e", f"suppressMessages({{{code}}})"]
        else:
            code = "from importlib.metadata import version as v; "
            code += f"import {self.package}; print(v('{self.package}'))"
            command = [python, "-c", code]
        if shutil.which(command[0]) is None:
            return None
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip().splitlines()[-1] if done.returncode == 0 else None

    def command(self, job: Job, folder: Path, python: str, evaluation: bool = False) -> list[str]:
        """What to run: a worker that speaks JSON."""
        start = [self.interpreter(python)]
        if self.language == "R":
            reml = str(job.reml).upper()
            arguments = [self.name, str(folder), job.formula, reml, str(job.repeats), str(LONG)]
            return [*start, str(HERE / "worker.R"), *arguments]
        arguments = [self.name, str(folder), job.formula, "--repeats", str(job.repeats)]
        arguments += ["--long", str(LONG)]
        arguments += [] if job.reml else ["--ml"]
        arguments += ["--evaluation"] if evaluation else []
        return [*start, str(HERE / "worker.py"), *arguments]

    def refuses(self, job: Job) -> str | None:
        """Why the job is not for this peer, or None."""
        return dict(job.without).get(self.name)

    def runs(self, job: Job) -> bool:
        """Whether the job has a line for this peer."""
        return not self.variant or self.name in job.variants

    def remarks(self, job: Job) -> list[str]:
        """In what the model that it fits differs from the job's."""
        ml = ["ML"] if self.only_ml and job.reml else []
        return ml + (["no correlations"] if self.only_diagonal and job.correlated_slopes else [])


PEERS = {
    peer.name: peer
    for peer in [
        Peer("lmforms", "lmforms"),
        Peer("lmforms (cg)", "lmforms", variant=True),
        Peer("lmforms (cholmod)", "lmforms", variant=True, needs="sksparse"),
        Peer("lme4", "lme4", "R"),
        Peer("glmmTMB", "glmmTMB", "R"),
        Peer("mixedlm", "mixedlm"),
        Peer("glmm", "glmm"),
        Peer("glmm (df)", "glmm", variant=True),
        Peer("gpboost", "gpboost", only_ml=True, only_diagonal=True),
        Peer("gpboost (Cholesky)", "gpboost", variant=True, only_ml=True, only_diagonal=True),
        Peer("statsmodels", "statsmodels"),
    ]
}


def installed(names: list[str], python: str) -> dict[str, str]:
    """Versions of the packages that are there, by package."""
    versions: dict[str, str] = {}
    missing = set()
    for peer in (PEERS[name] for name in names):
        if peer.package in versions or peer.package in missing:
            continue
        version = peer.version(python)
        if version is None:
            missing.add(peer.package)
        else:
            versions[peer.package] = version
    return versions
