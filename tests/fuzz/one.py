"""One fuzz target under atheris: `python -m tests.fuzz.one TARGET [libFuzzer's options and corpus folders]`."""

import sys

import atheris


def main() -> None:
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["ecitizen", "cardapps", "pki"]):
        from .targets import TARGETS  # all that it imports, or loads by an entry point, is instrumented

    atheris.Setup(sys.argv, TARGETS[name].check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
