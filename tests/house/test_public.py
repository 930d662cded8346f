"""What `import tunesmith` offers, and what starting costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tunesmith

HEAVY = ("torch", "transformers", "peft", "sklearn", "scipy", "matplotlib", "pandas", "pyarrow", "datasets", "numpy")


def heavy_after(code: str) -> list[str]:
    """The heavy packages that a new process has imported when it ran ``code``."""
    report = f"import sys; print('heavy:', *[name for name in {HEAVY} if name in sys.modules])"
    program = f"try:\n    {code}\nexcept SystemExit as error:\n    assert not error.code, error.code\n{report}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.rpartition("heavy:")[2].split()


def test_public_names_are_sorted_and_there() -> None:
    assert tunesmith.__all__ == sorted(tunesmith.__all__)
    assert [name for name in tunesmith.__all__ if getattr(tunesmith, name, None) is None] == []


def test_public_names_are_complete() -> None:
    visible = {name for name in dir(tunesmith) if not name.startswith("_")}
    submodules = {name for name in vars(tunesmith) if f"tunesmith.{name}" in sys.modules}
    imported_for_itself = {"annotations", "importlib", "TYPE_CHECKING", "Any"}
    assert visible - submodules - imported_for_itself == {name for name in tunesmith.__all__ if not name.startswith("_")}


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tunesmith.no_such_name  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        "import tunesmith",
        "import tunesmith; dir(tunesmith)",
        "from tunesmith.__main__ import main; sys.argv = ['tunesmith', '--help']; main()",
        "from tunesmith.__main__ import main; sys.argv = ['tunesmith', 'train', '--help']; main()",
    ],
)
def test_starting_imports_nothing_heavy(code: str) -> None:
    assert heavy_after(f"import sys; {code}") == []


def test_a_heavy_import_is_caught() -> None:
    assert "numpy" in heavy_after("import numpy")
