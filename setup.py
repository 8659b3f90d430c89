"""Builds the hot modules with Cython; everything else about the package is in pyproject.toml.

The list of hot modules is `HOT_MODULES` in src/bascule/speed.py. They are compiled all or none:
they know each other's C layout through their .pxd files, so half a set cannot be imported. Where
compiling fails (no C compiler, no headers) the installation continues: the same source runs
uncompiled, and `bascule --version` and the start-up banner say so.

An editable install never compiles: an edited .py would be shadowed by the stale compiled module.
Set BASCULE_PURE=1 to skip compiling, BASCULE_REQUIRE_COMPILED=1 to fail when it does not work.
"""

import importlib.util
import os
import sys

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

SOURCE = "src"


def hot_modules() -> tuple[str, ...]:
    """Read the list without importing the package, whose dependencies may not be here yet."""
    spec = importlib.util.spec_from_file_location(
        "speed", os.path.join(SOURCE, "bascule", "speed.py")
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.HOT_MODULES


def extensions() -> list[Extension]:
    if os.environ.get("BASCULE_PURE") == "1":
        return []
    from Cython.Build import cythonize

    return cythonize(
        [
            Extension(
                name,
                [os.path.join(SOURCE, *name.split(".")) + ".py"],
                extra_compile_args=["-O2", "-g0"],
            )
            for name in hot_modules()
        ],
        include_path=[SOURCE],
        build_dir="build/cython",
        nthreads=0,
        compiler_directives={
            "language_level": 3,
            # Types come from the .pxd alone: the annotations in the .py are for readers and mypy.
            "annotation_typing": False,
            "profile": False,
            # Connections are never pickled, and the code for it is a third of the smaller modules.
            "auto_pickle": False,
            # Methods are plain C methods: their defaults and annotations are not used, and each
            # would be an object of its own.
            "binding": False,
        },
    )


class build_all_or_none(build_ext):
    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def run(self) -> None:
        if getattr(self, "editable_mode", False):
            self.extensions = []
            return
        try:
            super().run()
        except Exception as error:
            if os.environ.get("BASCULE_REQUIRE_COMPILED") == "1":
                raise
            self.drop_everything()
            print(
                f"bascule: the hot modules could not be compiled ({error}); "
                "it is installed uncompiled and will be slower",
                file=sys.stderr,
            )

    def drop_everything(self) -> None:
        for extension in self.extensions:
            built = self.get_ext_fullpath(extension.name)
            if os.path.exists(built):
                os.remove(built)
        self.extensions = []


setup(ext_modules=extensions(), cmdclass={"build_ext": build_all_or_none})
