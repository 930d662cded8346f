"""What `import tunesmith` offers, and what starting costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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


def test_public_names_are_sorted_explained_and_what_they_are_called() -> None:
    assert list(tunesmith.__all__) == sorted(tunesmith.__all__) == sorted(dir(tunesmith))
    public = {name: getattr(tunesmith, name) for name in tunesmith.__all__}
    assert [name for name, value in public.items() if not value.__doc__ or value.__name__ != name] == []


def test_public_names_are_all_there_is() -> None:
    submodules = {name for name in vars(tunesmith) if f"tunesmith.{name}" in sys.modules}
    imported_for_itself = {"annotations", "import_module", "Any"}
    visible = {name for name in vars(tunesmith) if not name.startswith("_")}
    assert visible - submodules - imported_for_itself - set(tunesmith.__all__) == set()


def test_no_module_hides_a_public_name() -> None:
    # Importing tunesmith.train, if it were a module, would put it in the place of the function.
    assert set(tunesmith.__all__) & {path.stem for path in Path(tunesmith.__path__[0]).iterdir()} == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = tunesmith.no_such_name


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
