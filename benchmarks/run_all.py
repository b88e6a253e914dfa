"""Runs all benchmarks one after the other and writes what they print into one Markdown file.

    python benchmarks/run_all.py --data ../shared/data --peers PEERS/bin/python --out docs/benchmarks.md [--quick]

The machine should have nothing else to do. It takes about half an hour; --quick a few minutes, for a look only.
"""

import argparse
import subprocess
import sys
from pathlib import Path

_HERE = Path(__file__).parent
_INTRODUCTION = """# Benchmarks

Written by `benchmarks/run_all.py`; every section says what was run, on what, and what its figures mean.
`benchmarks/README.md` says how to repeat them.
"""


def main() -> None:
    given = _arguments()
    sections = [_INTRODUCTION]
    for command in commands(given):
        print(*command, file=sys.stderr)
        done = subprocess.run([sys.executable, *command], check=True, stdout=subprocess.PIPE, text=True)
        sections.append(deeper(done.stdout))
        given.out.write_text("\n".join(sections), encoding="utf-8")


def commands(given: argparse.Namespace) -> list[list[str]]:
    """What to run, without the interpreter."""
    data, quick = ["--data", str(given.data)], given.quick
    compared = ["--peers", str(given.peers)]
    models = ["--face-recognition-models", str(given.face_recognition_models)] if given.face_recognition_models else []
    few = ["--rows", "100000", "--people", "10000"] if quick else []
    return [
        [_script("peers"), *data, *compared, *models, *(["--quick"] if quick else ["--sizes"])],
        [_script("enrolment"), *data, *(["--photos", "300"] if quick else [])],
        [_script("search"), *compared, *few],
        [_script("load"), *data, *compared, *(["--requests", "100", "--long", "500"] if quick else [])],
        [_script("frames"), *data, *(["--requests", "10"] if quick else [])],
        [_script("videos"), *data, *compared, *(["--quick"] if quick else [])],
        [_script("scan"), *(["--faces", "10000"] if quick else [])],
        [_script("matching"), *data, *(["--photos", "100"] if quick else [])],
        [_script("pages"), *(["--repeats", "2"] if quick else [])],
        [_script("lambda_cold_start"), *data, *compared, *(["--quick"] if quick else [])],
        *([] if quick else [[_script("accuracy"), str(given.data / "lfw")]]),
    ]


def deeper(markdown: str) -> str:
    """Its headings one level down; `#` at the start of a line means nothing else in what the benchmarks print."""
    lines = markdown.splitlines(keepends=True)
    return "".join(f"#{line}" if line.startswith("#") else line for line in lines)


def _script(name: str) -> str:
    return str(_HERE / f"{name}.py")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the test data")
    parser.add_argument("--peers", type=Path, required=True, help="the interpreter that has the peers, and faiss")
    parser.add_argument("--face-recognition-models", type=Path, help="its source archive, if the peers lack it")
    parser.add_argument("--out", type=Path, required=True, help="the file to write")
    parser.add_argument("--quick", action="store_true", help="few photos and repetitions: shows that all works")
    return parser.parse_args()


if __name__ == "__main__":
    main()
