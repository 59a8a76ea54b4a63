"""What pip calls instead of maturin (PEP 517): builds a wheel whose machine code is a library for wasm32-wasi.

The interpreter and its extensions share everything: their memory, libc, the table of functions. So the library and Rust's
standard library in it are compiled to lie at any address, and whatever is not theirs is imported when componentize-py links.
"""

import base64
import hashlib
import os
import shutil
import subprocess
import tempfile
import tomllib
import zipfile
from email.parser import HeaderParser
from pathlib import Path

TARGET = "wasm32-wasip1"

#: PyO3 asks the interpreter it builds against for this; the one for wasm cannot be run.
PYO3 = """\
implementation=CPython
version={version}
shared=true
abi3=false
pointer_width=32
build_flags=
suppress_build_script_link_lines=true
"""


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    name, version = _named()
    folder = Path(metadata_directory, f"{name}-{version}.dist-info")
    folder.mkdir()
    shutil.copyfile("PKG-INFO", folder / "METADATA")
    return folder.name


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    name, version = _named()
    project = tomllib.loads(Path("pyproject.toml").read_text())
    ours = project["tool"]["maturin"]
    module = ours.get("module-name", name)
    with tempfile.TemporaryDirectory() as work:
        library = _compile(Path(ours.get("manifest-path", "Cargo.toml")), Path(work))
        tag = "cp" + os.environ["WASMBAY_PYTHON"].replace(".", "")
        wheel = f"{name}-{version}-{tag}-{tag}-wasi_0_0_wasm32.whl"
        suffix = f".cpython-{tag.removeprefix('cp')}-wasm32-wasi.so"
        files = {module.replace(".", "/") + suffix: library.read_bytes()}
        files |= _sources(Path(ours.get("python-source", "python")))
        info = f"{name}-{version}.dist-info/"
        files[info + "METADATA"] = Path("PKG-INFO").read_bytes()
        files[info + "WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: {tag}-{tag}-wasi_0_0_wasm32\n".encode()
        _pack(Path(wheel_directory, wheel), files, info + "RECORD")
    return wheel


def _named():
    headers = HeaderParser().parsestr(Path("PKG-INFO").read_text())
    return headers["Name"].replace("-", "_"), headers["Version"]


def _compile(manifest, work):
    with open(manifest, "rb") as file:
        alone = "workspace" not in tomllib.load(file)
    if alone:
        # A workspace of its own, wherever pip unpacked it.
        with open(manifest, "a") as file:
            file.write("\n[workspace]\n")
    (work / "pyo3.cfg").write_text(PYO3.format(version=os.environ["WASMBAY_PYTHON"]))
    # Rust's library asks for libc by name; the interpreter has it already, so an empty archive is enough.
    (work / "empty").mkdir()
    (work / "empty" / "libc.a").write_text("!<arch>\n")
    flags = ["-Crelocation-model=pic", "-Clink-self-contained=no", f"-L{work / 'empty'}", "-Clink-arg=-shared",
             "-Clink-arg=--experimental-pic"]
    environment = dict(os.environ)
    environment |= {
        "RUSTC_BOOTSTRAP": "1",  # -Zbuild-std
        "PYO3_CONFIG_FILE": str(work / "pyo3.cfg"),
        "CARGO_PROFILE_RELEASE_PANIC": "abort",
        "CARGO_PROFILE_RELEASE_OPT_LEVEL": "3",
        "CARGO_ENCODED_RUSTFLAGS": "\x1f".join(flags),
    }
    # pip runs this with a PYTHONPATH of the builder's; scripts that cargo runs have no use for it.
    environment.pop("PYTHONPATH", None)
    subprocess.run(["cargo", "rustc", "--release", "--locked", "--lib", "--crate-type", "cdylib",
                    "-Zbuild-std=std,panic_abort", "-Zbuild-std-features=", "--target", TARGET,
                    "--manifest-path", manifest, "--target-dir", work / "target",
                    "--", "-Clink-arg=--unresolved-symbols=import-dynamic"], env=environment, check=True)
    built = list((work / "target" / TARGET / "release").glob("*.wasm"))
    if len(built) != 1:
        raise RuntimeError(f"cargo was to build one library, not {built}")
    return built[0]


def _sources(folder):
    wanted = (path for path in sorted(folder.rglob("*")) if path.suffix in (".py", ".pyi", ".typed"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in wanted}


def _pack(wheel, files, record):
    lines = []
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            lines.append(f"{name},sha256={digest},{len(content)}\n")
        archive.writestr(record, "".join(lines) + f"{record},,\n")
