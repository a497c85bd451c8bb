"""Runs a WebAssembly program of WASI: PROGRAM ARGUMENT..., with a new folder, which goes with it, as the root of its files."""

import sys
import tempfile

from wasmtime import Engine, ExitTrap, Linker, Module, Store, WasiConfig


def run(arguments, root):
    config = WasiConfig()
    config.argv = arguments
    config.inherit_stdout()
    config.inherit_stderr()
    config.preopen_dir(root, "/")
    engine = Engine()
    store = Store(engine)
    store.set_wasi(config)
    linker = Linker(engine)
    linker.define_wasi()
    program = linker.instantiate(store, Module.from_file(engine, arguments[0]))
    try:
        program.exports(store)["_start"](store)
    except ExitTrap as exit:
        return exit.code
    return 0


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as root:
        code = run(sys.argv[1:], root)
    sys.exit(code)
