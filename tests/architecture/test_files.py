"""House rules a parser can see: opening line, size, who may import what, what a text may not name."""

import ast
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("appliance", "webui", "provisioning")
LONGEST_FILE = 700

# Foreign package -> the only places that may import it (a folder ends in /).
ONLY_IN = {
    "pjsua2": ("appliance/sip/_pj/", "appliance/sip/endpoint.py", "appliance/sip/native/"),
    "_holdfast_shim": ("appliance/sip/_pj/", "appliance/sip/endpoint.py", "appliance/sip/native/"),
    "pyroute2": ("appliance/network/",),
    "serial": ("appliance/cellular/port.py",),
    "psutil": ("appliance/health/",),
    "flask": ("webui/", "provisioning/servers/wsgi.py"),
}
# Part of the product outside the engine's layers -> all it may import of the engine.
MAY_IMPORT = {
    "appliance/cli/": ("appliance.cli", "appliance.site", "appliance.control.client", "appliance.types", "appliance.errors"),
    "webui/": ("webui", "appliance.site", "appliance.control.client", "appliance.types", "appliance.errors"),
    "provisioning/": ("provisioning", "appliance.control.client", "appliance.types", "appliance.errors"),
}


@cache
def committed() -> tuple[Path, ...]:
    """Every file git would commit, relative to the checkout."""
    # safe.directory: the checkout may belong to the user who called sudo.
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(Path(name) for name in sorted(set(listed.split("\0"))) if name and (ROOT / name).is_file())


def sources(*tops: str) -> list[Path]:
    return [path for path in committed() if path.suffix == ".py" and (not tops or path.parts[0] in tops)]


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text(), str(path))


def imports(module: ast.Module) -> list[tuple[int, str]]:
    """(line, dotted name) of every absolute import; `from a import b` gives `a.b`, which is at least as narrow as `a`."""
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide who imports whom"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return found


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def test_imports_sees_every_form():
    code = "import serial.tools as t\nfrom serial import Serial\ndef f():\n    import psutil, json\n"
    assert imports(ast.parse(code)) == [(1, "serial.tools"), (2, "serial.Serial"), (4, "psutil"), (4, "json")]
    with pytest.raises(AssertionError, match="relative"):
        imports(ast.parse("from . import x"))


def test_there_is_something_to_look_at():
    assert len(sources("appliance")) > 20


def test_every_file_opens_by_saying_what_it_is():
    wrong = []
    for path in sources():
        doc = ast.get_docstring(tree(path), clean=False)
        opening = (ROOT / path).read_text().lstrip("\ufeff").splitlines()[:2]
        if opening and opening[0].startswith("#!"):
            opening = opening[1:]
        if path.name == "__init__.py" and not tree(path).body:
            continue
        if not doc or not opening[0].startswith(('"""', 'r"""')) or not doc.splitlines()[0].strip():
            wrong.append(str(path))
    assert not wrong, "no one-line docstring at the top"


def test_no_file_is_longer_than_it_may_be():
    lengths = {str(path): len((ROOT / path).read_text().splitlines()) for path in committed() if path.suffix in {".py", ".c", ".h", ".sh"}}
    assert not [(name, lines) for name, lines in lengths.items() if lines > LONGEST_FILE], f"split what is past {LONGEST_FILE} lines"


@pytest.mark.parametrize("package", sorted(ONLY_IN))
def test_a_foreign_package_stays_in_its_place(package):
    wrong = [
        f"{path}:{line}"
        for path in sources(*PRODUCT)
        if not any(str(path).startswith(place) for place in ONLY_IN[package])
        for line, name in imports(tree(path))
        if within(name, package)
    ]
    assert not wrong, f"{package} may be imported only in {ONLY_IN[package]}"


@pytest.mark.parametrize("part", sorted(MAY_IMPORT))
def test_what_is_not_the_engine_imports_only_its_front(part):
    ours = PRODUCT
    wrong = [
        f"{path}:{line} {name}"
        for path in sources(*PRODUCT)
        if str(path).startswith(part)
        for line, name in imports(tree(path))
        if any(within(name, top) for top in ours) and not any(within(name, allowed) for allowed in MAY_IMPORT[part])
    ]
    assert not wrong, f"{part} may import only {MAY_IMPORT[part]}"


def test_the_product_does_not_import_its_tests():
    wrong = [f"{path}:{line}" for path in sources(*PRODUCT) for line, name in imports(tree(path)) if within(name, "tests")]
    assert not wrong
