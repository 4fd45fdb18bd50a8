"""The wheel: what is in it, and that `posture demo` works where nothing but the wheel is installed."""

from __future__ import annotations

import os
import site
import subprocess
import sys
import time
import venv
import zipfile
from pathlib import Path

import pytest

from posture import __version__
from posture.app.doctor import missing_virtual

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = {
    "posture/app/data/day_excerpt.parquet",
    "posture/app/data/day_excerpt.poses.json",
    "posture/app/data/LICENCE-CMU-mocap.txt",
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built with the hatchling that is here, so that nothing is fetched."""
    pytest.importorskip("hatchling", reason="make setup installs it")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--wheel-dir", folder, REPOSITORY], check=True, timeout=60, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_the_three_packages_the_templates_the_demo_data_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {n for n in archive.namelist() if ".dist-info/" not in n}
        packed = {n: archive.read(n) for n in DATA}
    code = {
        p.relative_to(REPOSITORY).as_posix()
        for package in ("posture", "analysis", "firmware_protocol")
        for p in (REPOSITORY / package).rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert names == code | DATA
    assert {"analysis/templates/report.html", "analysis/templates/report.css"} <= names
    sensor = {
        f"firmware_protocol/{n}"
        for n in ("PROTOCOL.md", "vectors.json", "c/lps_core.c", "c/lps_core.h", "c/lps_ring.c")
    }
    assert sensor <= names, "the virtual sensor builds the C core from the wheel"
    assert not [n for n in names if n.startswith(("tests", "recordings", "docs", "benchmarks"))]
    for name, content in packed.items():
        source = Path(name).name.replace("LICENCE-", "licences/")
        assert content == (REPOSITORY / "recordings" / source).read_bytes()
    assert b"NSF EIA-0196217" in packed["posture/app/data/LICENCE-CMU-mocap.txt"]


def test_the_wheel_says_what_it_is_and_carries_every_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (archive.read(n).decode() for n in names if n.endswith(".dist-info/METADATA"))
        (entry,) = (archive.read(n).decode() for n in names if n.endswith("entry_points.txt"))
    assert f"Version: {__version__}" in metadata
    assert "License-Expression: MIT" in metadata
    assert "Not a medical device" in metadata
    assert "posture = posture.app.cli:main" in entry
    assert any(n.endswith("licenses/LICENSE") for n in names)
    for path in (REPOSITORY / "recordings" / "licences").iterdir():
        assert any(n.endswith(f"licenses/recordings/licences/{path.name}") for n in names)


def test_the_demo_runs_from_the_wheel_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "elsewhere"
    home.mkdir()
    venv.create(tmp_path / "venv", with_pip=False)
    scripts = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    asked = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip())
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(packages)
    # The dependencies come from the environment of the tests; as a .pth line they are found after the wheel, and what is
    # editable there (this working tree) is not found at all.
    (packages / "dependencies.pth").write_text("\n".join(p for p in site.getsitepackages() if Path(p).is_dir()))
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}

    def run(*arguments: str, within_s: float = 30.0) -> str:
        done = subprocess.run(
            [python, "-c", "from posture.app.cli import main; main()", *arguments],
            capture_output=True,
            text=True,
            cwd=home,
            env={**kept, "POSTURE_HOME": str(home)},
            timeout=within_s,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    begun = time.monotonic()
    said = run("demo", "--speed", "10000")
    assert time.monotonic() - begun < 30
    written = home / "data" / "demo" / "report.html"
    assert f"Report: {written}" in said
    assert "Not a medical device" in written.read_text(encoding="utf-8")
    if missing_virtual() is None:
        said = run("demo", "--speed", "100", "--sensors", "sacrum", within_s=150.0)
        assert "over a real Bluetooth stack" in said
        assert "sacrum: LPS-4C01 is connected" in said
        assert "BLE link not simulated" not in said
        assert "ALERT flexed_sitting" in said
        assert f"Report: {written}" in said
        assert "Nobody wore these sensors" in written.read_text(encoding="utf-8")
    where = [python, "-c", "import posture.app.places as p; print(p.shipped_recording())"]
    shipped = subprocess.run(where, capture_output=True, text=True, cwd=home, env=kept, check=True).stdout.strip()
    assert Path(shipped) == packages / "posture" / "app" / "data" / "day_excerpt.parquet"
